// Lines for the user: errors, remarks, that work goes on, and what screen readers read aloud.

import { RequestError } from "./api.js";
import { $ } from "./state.js";

let announced = 0;
let again; // what the button "Try again" does

export function listenToMessages() {
  $("retry").addEventListener("click", () => (clearTrouble(), again()));
}

/** Show an error; `retry` is what the button "Try again" does, if trying again can help. */
export function say(error, retry) {
  if (error.name === "AbortError") return;
  if (!(error instanceof RequestError)) throw error;
  again = retry;
  $("trouble").hidden = false;
  $("retry").hidden = !(retry && error.passes);
  $("error").textContent = error.message;
}

export function clearTrouble() {
  $("trouble").hidden = true;
  $("error").textContent = "";
}

/** A line that is no error; "" for none. */
export function notice(line) {
  $("notice").textContent = line;
  $("notice").hidden = !line;
}

/** What the user waits for; "" if for nothing. */
export function busy(line) {
  $("busy").hidden = !line;
  $("busy-text").textContent = line;
  $("stage").setAttribute("aria-busy", Boolean(line));
}

/** Read a line aloud, unless it was the last, or a line was read less than `pause` milliseconds ago. */
export function announce(line, pause = 0) {
  if ($("status").textContent === line || performance.now() - announced < pause) return;
  $("status").textContent = line;
  announced = performance.now();
}
