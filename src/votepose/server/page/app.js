// The page: an image, a video or the webcam in, people drawn over it.

import { fetchPoses, fetchServer, RequestError } from "./api.js";
import { personColours } from "./draw.js";
import { askForKey } from "./key.js";
import { follow, rateMeter } from "./live.js";
import { announce, busy, clearTrouble, listenToMessages, notice, say } from "./messages.js";
import { buildModels, renderModel, renderPanel } from "./panel.js";
import { decode, enlarged, fetchImage, isVideo } from "./images.js";
import { closeVideo, listenToPlayer, openVideo, toggle, video } from "./player.js";
import { frameName, listenToSave } from "./save.js";
import { $, modelName, shownPeople, state } from "./state.js";
import { listenToView, renderView } from "./view.js";
import { closeWebcam, facesUser, openWebcam } from "./webcam.js";

const SIZES = [256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280];
const FINDING = "Finding people…";
const PATIENCE = 250; // milliseconds without a new value, before the next request

let pending; // AbortController of what is open: aborted when something else is opened
let live; // what `follow` returned, while a video or the webcam is open
let rate; // what `rateMeter` returned
let rendered = 0;

async function start() {
  try {
    state.server = await fetchServer();
  } catch (error) {
    if (error.status === 401) return askForKey(start);
    return say(error, start);
  }
  $("key-form").hidden = true;
  const { server } = state;
  const sizes = [...new Set([...SIZES.filter((size) => size <= server.max_input_size), server.input_size])];
  $("size").append(new Option("Automatic", ""), ...sizes.sort((a, b) => a - b).map((size) => new Option(size, size)));
  $("score").value = server.score_threshold;
  $("presence").value = server.presence_threshold;
  $("version").textContent = server.version;
  buildModels((name) => {
    state.chosen = name;
    renderModel();
    ask();
  });
  renderModel();
  showValues();
  listen();
}

function listen() {
  $("file").disabled = $("webcam").disabled = false;
  $("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) open(target.files[0]);
    target.value = ""; // so that choosing the same file again is an event
  });
  $("webcam").addEventListener("click", () => (state.kind === "webcam" && state.moving ? stopWebcam() : startWebcam()));
  $("score").addEventListener("input", () => (showValues(), render()));
  $("inferred").addEventListener("change", render);
  let timer;
  for (const id of ["presence", "size"]) {
    $(id).addEventListener("input", () => {
      showValues();
      clearTimeout(timer);
      timer = setTimeout(ask, PATIENCE);
    });
  }
  listenToSave();
  listenToView({ pick, toggle });
  listenToPlayer(videoChanged);
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

function open(file) {
  return isVideo(file) ? startVideo(file) : openImage(file);
}

/** Close what is open. Returns the signal that is aborted once something else is opened. */
function opening(kind, name) {
  pending?.abort();
  pending = new AbortController();
  if (state.stream) closeWebcam(state.stream);
  closeVideo();
  live = null;
  state.bitmap?.close();
  Object.assign(state, { kind, name, blob: null, bitmap: null, record: null, picked: null, stream: null, moving: false, mirrored: false });
  $("milliseconds").textContent = $("rate").textContent = "–";
  $("rate-box").hidden = kind === "image";
  $("player").hidden = true;
  clearTrouble();
  notice("");
  webcamIs(false);
  renderModel();
  render();
  return pending.signal;
}

async function openImage(file) {
  const signal = opening("image", file.name || "image");
  busy(FINDING);
  const bitmap = await decode(file);
  if (signal.aborted) return;
  Object.assign(state, { blob: file, bitmap });
  render();
  await find();
}

/** Ask about the image that is open. */
async function find() {
  pending.abort();
  const mine = (pending = new AbortController());
  busy(FINDING);
  try {
    const answer = await fetchImage(state, options(), mine.signal);
    if (!state.bitmap) notice("This browser cannot show the image, so its people are drawn on grey.");
    if (answer.smaller) notice("The image is over the limits of the server, so a smaller copy was sent.");
    show(answer);
  } catch (error) {
    if (mine === pending) say(error, find);
  } finally {
    if (mine === pending) busy("");
  }
}

async function startVideo(file) {
  const signal = opening("video", file.name || "video");
  busy(FINDING);
  live = watch(signal);
  try {
    await openVideo(file);
  } catch (error) {
    if (signal.aborted) return;
    busy("");
    return say(error);
  }
  if (signal.aborted) return;
  $("player").hidden = false;
  videoChanged();
}

function videoChanged() {
  if (state.kind !== "video") return;
  state.moving = !video.paused && !video.ended;
  if (!state.moving) {
    $("rate").textContent = "–";
    rate = rateMeter();
  }
  if (state.record) render();
}

async function startWebcam() {
  const signal = opening("webcam", "webcam.jpg");
  busy("Waiting for the webcam…");
  let stream;
  try {
    stream = await openWebcam();
  } catch (error) {
    if (signal.aborted) return;
    busy("");
    return say(error);
  }
  if (signal.aborted) return closeWebcam(stream);
  Object.assign(state, { stream, moving: true, mirrored: facesUser(stream) });
  webcamIs(true);
  stream.getVideoTracks()[0].addEventListener("ended", () => state.stream === stream && stopWebcam()); // unplugged
  busy(FINDING);
  live = watch(signal);
  video.srcObject = stream;
  await video.play().catch(() => {}); // closed meanwhile
}

/** The last image stays, with its people. */
function stopWebcam() {
  pending.abort();
  closeWebcam(state.stream);
  closeVideo();
  live = null;
  Object.assign(state, { stream: null, moving: false });
  webcamIs(false);
  busy("");
  $("rate").textContent = "–";
  render();
}

function webcamIs(on) {
  $("webcam").textContent = on ? "Stop webcam" : "Start webcam";
  $("webcam").setAttribute("aria-pressed", on);
}

/** Show the people in the frames of the video element, until `signal` is aborted. */
function watch(signal) {
  rate = rateMeter();
  return follow(video, {
    side: () => Number($("size").value),
    ask: (blob, time) => fetchPoses(blob, frameName(time), options(), state.server),
    show: ({ bitmap, answer, width, height, time }) => {
      state.bitmap?.close();
      Object.assign(state, { bitmap, time });
      const record = enlarged(answer.record, width, height);
      if (state.moving) $("rate").textContent = rate().toFixed(1).replace("NaN", "–");
      busy("");
      show({ ...answer, record });
    },
    fail: (error) => {
      busy("");
      say(error.passes ? new RequestError(`${error.message} Trying again…`, error) : error);
    },
  }, signal);
}

/** Ask once more: a setting has changed. */
function ask() {
  if (live) live.again();
  else if (state.kind === "image") find();
}

/** The server sends all people, so that the score's slider needs no request. What is not given is the model's own. */
function options() {
  const { server } = state;
  const [presence, size, model] = [$("presence").value, $("size").value, modelName()];
  return {
    score_threshold: 0,
    ...(Number(presence) !== server.presence_threshold && { presence_threshold: presence }),
    ...(size && { input_size: size }),
    ...(model && { model }),
  };
}

function show({ record, milliseconds }) {
  const { palette } = state.server;
  const colours = personColours(record.people, palette.length).map((colour) => palette[colour]);
  Object.assign(state, { record, colours, picked: state.picked < record.people.length && !state.moving ? state.picked : null });
  $("milliseconds").textContent = Math.round(milliseconds);
  clearTrouble();
  render();
}

function pick(k) {
  state.picked = k;
  render();
  const place = shownPeople().findIndex((shown) => shown.k === k);
  if (place >= 0) announce(`Person ${place + 1} of ${shownPeople().length}, score ${shownPeople()[place].person.score.toFixed(2)}`);
}

function render() {
  renderView();
  renderPanel(pick);
  document.body.dataset.rendered = ++rendered;
}

function showValues() {
  for (const id of ["score", "presence"]) $(`${id}-value`).textContent = Number($(id).value).toFixed(2);
}

listenToMessages();
start();
