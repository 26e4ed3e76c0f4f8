// The page: an image or the webcam in, people drawn over it. `state` holds what is shown; `render` shows it.

import { fetchModel, fetchPoses, RequestError } from "./api.js";
import { css, drawPerson, personColours } from "./draw.js";
import { closeWebcam, frames, facesUser, openWebcam } from "./webcam.js";

const $ = (id) => document.getElementById(id);
const SIZES = [256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280];
const SHARP = 1400; // least length of the canvas's longest side, in pixels: thin limbs stay thin on a small image
const MOST = 2400;
const PATIENCE = 250; // milliseconds without a new value, before the next request

let model;
let pending; // AbortController of the request that waits for its answer
let rendered = 0;
const state = { blob: null, bitmap: null, name: "", record: null, colours: [], picked: null, stream: null };

async function start() {
  try {
    model = await fetchModel();
  } catch (error) {
    return say(error);
  }
  const sizes = [...new Set([...SIZES.filter((size) => size <= model.max_input_size), model.input_size])];
  $("size").append(...sizes.sort((a, b) => a - b).map((size) => new Option(size, size)));
  $("size").value = model.input_size;
  $("score").value = model.score_threshold;
  $("presence").value = model.presence_threshold;
  $("model").textContent = `every person’s pose, in one pass · ${model.version}`;
  showValues();
  listen();
}

function listen() {
  $("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) open(target.files[0]);
    target.value = ""; // so that choosing the same file again is an event
  });
  $("webcam").addEventListener("click", () => (state.stream ? stopWebcam() : startWebcam()));
  $("score").addEventListener("input", () => (showValues(), render()));
  $("inferred").addEventListener("change", render);
  let timer;
  for (const id of ["presence", "size"]) {
    $(id).addEventListener("input", () => {
      showValues();
      clearTimeout(timer);
      timer = setTimeout(() => state.blob && !state.stream && find(), PATIENCE);
    });
  }
  $("json").addEventListener("click", saveJson);
  $("picture").addEventListener("click", savePicture);
  document.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData.files[0]) open(clipboardData.files[0]);
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      $("stage").classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
    });
  }
}

async function open(file) {
  stopWebcam();
  pending?.abort();
  const bitmap = await createImageBitmap(file).catch(() => null); // a TIFF: people are drawn on an empty canvas
  Object.assign(state, { blob: file, bitmap, name: file.name || "image", record: null, picked: null });
  $("milliseconds").textContent = "–";
  render();
  await find();
}

async function find() {
  pending?.abort();
  const mine = (pending = new AbortController());
  $("busy").hidden = false;
  try {
    show(await fetchPoses(state.blob, state.name, options(), model, mine.signal));
  } catch (error) {
    if (mine === pending) say(error);
  } finally {
    if (mine === pending) $("busy").hidden = true;
  }
}

async function startWebcam() {
  pending?.abort();
  $("busy").hidden = true;
  try {
    state.stream = await openWebcam();
  } catch (error) {
    return say(error);
  }
  const mine = state.stream;
  webcamIs(true);
  $("error").hidden = true;
  let last = performance.now();
  let mean = 0; // milliseconds per image, smoothed
  for await (const { bitmap, blob } of frames(mine)) {
    try {
      const answer = await fetchPoses(blob, "webcam.jpg", liveOptions(), model);
      if (mine !== state.stream) return;
      Object.assign(state, { bitmap, blob, name: "webcam.jpg", picked: null });
      show(answer);
    } catch (error) {
      if (mine !== state.stream) return;
      say(error);
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.wait || 1)));
    }
    const now = performance.now();
    mean = mean ? 0.8 * mean + 0.2 * (now - last) : now - last;
    last = now;
    $("rate").textContent = (1000 / mean).toFixed(1);
  }
  if (mine === state.stream) stopWebcam(); // it was unplugged
}

function stopWebcam() {
  if (!state.stream) return;
  closeWebcam(state.stream);
  state.stream = null;
  webcamIs(false);
}

function webcamIs(on) {
  $("webcam").textContent = on ? "Stop webcam" : "Start webcam";
  $("webcam").setAttribute("aria-pressed", on);
  $("rate-box").hidden = !on;
  $("live-model").hidden = !model.models.fast;
  $("size").disabled = on && Boolean(model.models.fast);
  if (on) $("canvas").classList.toggle("mirrored", facesUser(state.stream));
}

/** The server sends all people; the score slider filters them here, without a request. */
function options() {
  return { score_threshold: 0, presence_threshold: $("presence").value, input_size: $("size").value };
}

/** The webcam cannot wait: the fast model at its own input size, where the server has it. */
function liveOptions() {
  const { input_size, ...others } = options();
  return model.models.fast ? { ...others, model: "fast" } : { ...others, input_size };
}

function shown() {
  const least = Number($("score").value);
  return (state.record?.people ?? []).map((person, k) => ({ person, k })).filter(({ person }) => person.score >= least);
}

function show({ record, milliseconds }) {
  Object.assign(state, { record, colours: personColours(record.people, model.palette.length).map((c) => model.palette[c]) });
  $("milliseconds").textContent = Math.round(milliseconds);
  $("error").hidden = true;
  render();
}

function say(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof RequestError)) throw error;
  $("error").textContent = error.message;
  $("error").hidden = false;
}

function render() {
  const any = Boolean(state.bitmap || state.record);
  $("stage").classList.toggle("filled", any);
  $("canvas").hidden = !any;
  $("canvas").classList.toggle("mirrored", $("canvas").classList.contains("mirrored") && state.name === "webcam.jpg");
  if (any) {
    const longest = Math.max(...size());
    paint($("canvas"), Math.min(Math.max(longest, SHARP), MOST) / longest);
  }
  const people = shown();
  const word = people.length === 1 ? "person" : "people";
  $("people").textContent = state.record ? people.length : "–";
  $("people-word").textContent = word;
  const line = state.record ? `${people.length} ${word} found` : "";
  if ($("status").textContent !== line) $("status").textContent = line; // read aloud, so only when it changes
  $("canvas").setAttribute("aria-label", line || "The image");
  for (const id of ["json", "picture"]) $(id).disabled = !state.record;
  $("list").replaceChildren(...(state.stream ? [] : people.map(({ person, k }) => chip(person, k))));
  document.body.dataset.rendered = ++rendered;
}

function size() {
  return state.record ? [state.record.width, state.record.height] : [state.bitmap.width, state.bitmap.height];
}

function paint(canvas, scale) {
  const [width, height] = size();
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = "#30343c";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (state.bitmap) pen.drawImage(state.bitmap, 0, 0, canvas.width, canvas.height);
  for (const { person, k } of shown().reverse()) { // the best last, on top
    const faint = state.picked !== null && state.picked !== k;
    const style = { scale, size: [width, height], inferred: $("inferred").checked, faint };
    drawPerson(pen, person, state.colours[k], model, style);
  }
}

function chip(person, k) {
  const button = document.createElement("button");
  button.type = "button";
  button.title = "Show this person alone";
  button.setAttribute("aria-pressed", state.picked === k);
  button.setAttribute("aria-label", `Person with score ${person.score.toFixed(2)}`);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  Object.entries({ cx: 6, cy: 6, r: 6, fill: css(state.colours[k]) }).forEach(([key, value]) => dot.setAttribute(key, value));
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.append(dot);
  button.append(svg, person.score.toFixed(2));
  button.addEventListener("click", () => {
    state.picked = state.picked === k ? null : k;
    const place = [...$("list").children].indexOf(button.parentElement);
    render();
    $("list").children[place]?.firstChild.focus();
  });
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function showValues() {
  for (const id of ["score", "presence"]) $(`${id}-value`).textContent = Number($(id).value).toFixed(2);
}

function saveJson() {
  const record = { ...state.record, people: shown().map(({ person }) => person) };
  save(new Blob([`${JSON.stringify(record, null, 1)}\n`], { type: "application/json" }), ".json");
}

function savePicture() {
  const canvas = document.createElement("canvas");
  paint(canvas, 1);
  canvas.toBlob((blob) => save(blob, "-poses.jpg"), "image/jpeg", 0.92);
}

function save(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = state.name.replace(/\.[^.]*$/, "") + ending;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

start();
