// What the page shows. `app.js` changes it, the other modules read it.

export const state = {
  server: null, // what /v1/model answers
  kind: null, // of what is open: "image", "video" or "webcam"
  name: "", // its file name
  blob: null, // an image's file
  bitmap: null, // the image, or the frame that was answered last; null if the browser cannot show it
  time: 0, // of that frame, in seconds
  record: null, // the answer: its people, in pixels of the image
  colours: [], // of each person, [red, green, blue]
  picked: null, // the only person shown, an index into the record's people
  stream: null, // the webcam's
  moving: false, // images follow each other
  mirrored: false,
  chosen: null, // the model that the user chose
};

export const $ = (id) => document.getElementById(id);

/** The model that finds the people: the user's choice; else fast for moving images, accurate for others. */
export function modelName() {
  const names = Object.keys(state.server.models);
  if (state.chosen) return state.chosen;
  const wanted = state.kind === "video" || state.kind === "webcam" ? "fast" : "accurate";
  return names.includes(wanted) ? wanted : names[0];
}

/** The people over the score's threshold, best first: [{person, k}]. */
export function shownPeople() {
  const least = Number($("score").value);
  return (state.record?.people ?? []).map((person, k) => ({ person, k })).filter(({ person }) => person.score >= least);
}

export function counted(people) {
  return `${people} ${people === 1 ? "person" : "people"} found`;
}

/** Width and height of the image. */
export function imageSize() {
  const { width, height } = state.record ?? state.bitmap;
  return [width, height];
}
