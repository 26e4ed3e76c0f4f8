// The API key, where the server needs one.

import { RequestError, useKey } from "./api.js";
import { clearTrouble, say } from "./messages.js";
import { $ } from "./state.js";

/** Ask for a key, then call `start` again; say so if the one that was given is not valid. */
export function askForKey(start) {
  if (!$("key-form").hidden) say(new RequestError("This API key is not valid."));
  $("key-form").hidden = false;
  $("key").select();
  $("key").focus();
  $("key-form").onsubmit = (event) => {
    event.preventDefault();
    useKey($("key").value);
    clearTrouble();
    start();
  };
}
