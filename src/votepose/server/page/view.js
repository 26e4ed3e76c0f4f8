// The stage: the image with its people, and choosing one of them there by mouse or keyboard.

import { drawPerson } from "./draw.js";
import { $, counted, imageSize, shownPeople, state } from "./state.js";

const SHARP = 1400; // least length of the canvas's longest side, in pixels: thin limbs stay thin on a small image
const MOST = 2400;

/** `pick(k)` is called when a person is chosen, with null for everyone; `toggle()` when a video should play or pause. */
export function listenToView({ pick, toggle }) {
  $("canvas").addEventListener("click", (event) => {
    const k = personAt(pointOf(event));
    pick(k === state.picked ? null : k);
  });
  $("canvas").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && !state.moving) pick(neighbour(step));
    else if (event.key === "Escape") pick(null);
    else if (event.key === " " && state.kind === "video") toggle();
    else return;
    event.preventDefault();
  });
}

export function renderView() {
  const any = Boolean(state.bitmap || state.record);
  $("stage").classList.toggle("filled", any);
  $("canvas").hidden = !any;
  $("canvas").classList.toggle("mirrored", state.mirrored);
  if (!any) return;
  const [width, height] = imageSize();
  const longest = Math.max(width, height);
  const still = Math.min(Math.max(longest, SHARP), MOST) / longest;
  const moving = (Math.min(window.devicePixelRatio, 1.5) * ($("canvas").clientWidth || width)) / width; // as few as are seen
  paint($("canvas"), state.moving ? Math.min(moving, still) : still);
  describe();
}

/** Paint the image and its people, `scale` pixels of the canvas for one of the image. */
export function paint(canvas, scale) {
  const [width, height] = imageSize();
  canvas.style.setProperty("--ratio", width / height);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = state.moving ? "low" : "high"; // "high" takes too long for moving images
  pen.fillStyle = "#30343c";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (state.bitmap) pen.drawImage(state.bitmap, 0, 0, canvas.width, canvas.height);
  for (const { person, k } of shownPeople().reverse()) { // the best last, on top
    const faint = state.picked !== null && state.picked !== k;
    const style = { scale, size: [width, height], inferred: $("inferred").checked, faint };
    drawPerson(pen, person, state.colours[k], state.server, style);
  }
}

/** For screen readers. A still image with people takes the arrow keys, so it is more than an image. */
function describe() {
  const people = shownPeople();
  const takesKeys = (people.length > 0 && !state.moving) || state.kind === "video";
  const place = people.findIndex(({ k }) => k === state.picked);
  const line = state.record ? counted(people.length) : "The image";
  const canvas = $("canvas");
  set(canvas, "role", takesKeys ? "application" : "img");
  set(canvas, "aria-roledescription", takesKeys ? "image" : null);
  set(canvas, "aria-describedby", takesKeys && !state.moving ? "canvas-help" : null);
  set(canvas, "tabindex", takesKeys ? 0 : null);
  set(canvas, "aria-label", place < 0 ? line : `${line}, person ${place + 1} alone`);
}

function set(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

function neighbour(step) {
  const ids = shownPeople().map(({ k }) => k);
  if (!ids.length) return null;
  const place = ids.indexOf(state.picked);
  return place < 0 ? ids.at(step > 0 ? 0 : -1) : ids[(place + step + ids.length) % ids.length];
}

function pointOf({ clientX, clientY }) {
  const box = $("canvas").getBoundingClientRect();
  const [width, height] = imageSize();
  const x = (clientX - box.left) / box.width;
  return [(state.mirrored ? 1 - x : x) * width, ((clientY - box.top) / box.height) * height];
}

/** The person whose box holds the point and whose nearest joint is closest to it, or null. */
function personAt([x, y]) {
  const near = shownPeople()
    .filter(({ person: { box: [x1, y1, x2, y2] } }) => x1 <= x && x <= x2 && y1 <= y && y <= y2)
    .map(({ person, k }) => [Math.min(...Object.values(person.keypoints).map((p) => Math.hypot(p.x - x, p.y - y))), k]);
  return near.length ? near.sort(([a], [b]) => a - b)[0][1] : null;
}
