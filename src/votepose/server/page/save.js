// What is shown, as files for the user.

import { $, shownPeople, state } from "./state.js";
import { paint } from "./view.js";

export function listenToSave() {
  $("json").addEventListener("click", saveJson);
  $("picture").addEventListener("click", saveImage);
}

/** The name of what is shown; of a video, with the time of the frame. */
export function frameName(time) {
  return state.kind === "video" ? `${stem(state.name)}-${time.toFixed(2)}s.jpg` : state.name;
}

function saveJson() {
  const record = { ...state.record, people: shownPeople().map(({ person }) => person) };
  save(new Blob([`${JSON.stringify(record, null, 1)}\n`], { type: "application/json" }), ".json");
}

function saveImage() {
  const canvas = document.createElement("canvas");
  paint(canvas, 1);
  canvas.toBlob((blob) => save(blob, "-poses.jpg"), "image/jpeg", 0.92);
}

function save(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = stem(frameName(state.time)) + ending;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A file's name without its ending. */
function stem(name) {
  return name.replace(/\.[^.]*$/, "");
}
