// The panel: figures, the list of people, the model's switch, and how many people there are, read aloud.

import { css } from "./draw.js";
import { announce } from "./messages.js";
import { $, counted, modelName, shownPeople, state } from "./state.js";

const PAUSE = 5000; // milliseconds between two announcements while images move
const WHAT = { image: "photos", video: "videos", webcam: "the webcam" };
let listed = [];

export function renderPanel(pick) {
  const people = shownPeople();
  $("people").textContent = state.record ? people.length : "–";
  $("people-word").textContent = people.length === 1 ? "person" : "people";
  for (const id of ["json", "picture"]) $(id).disabled = !state.record;
  renderList(state.moving ? [] : people, pick);
  announce(state.record ? counted(people.length) : "", state.moving ? PAUSE : 0);
}

export function buildModels(choose) {
  const names = Object.keys(state.server.models);
  $("models").hidden = names.length < 2;
  $("model-switch").replaceChildren(...names.map((name) => {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "model", value: name });
    radio.setAttribute("aria-describedby", "model-note");
    radio.addEventListener("change", () => choose(name));
    label.append(radio, title(name));
    return label;
  }));
}

export function renderModel() {
  const name = modelName();
  for (const radio of $("model-switch").querySelectorAll("input")) radio.checked = radio.value === name;
  $("model-note").textContent = name ? modelNote(name) : "";
}

function modelNote(name) {
  if (state.chosen) return "Your choice, for all that you open.";
  if (!state.kind) return "Videos and the webcam use the fast one.";
  return `${title(name)}, chosen for ${WHAT[state.kind]}.`;
}

function title(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function renderList(people, pick) {
  const same = people.length === listed.length && people.every(({ person }, i) => person === listed[i].person);
  if (!same) $("list").replaceChildren(...people.map(({ person, k }, place) => chip(person, k, place, pick)));
  listed = people; // the buttons stay as long as their people do, and with them the keyboard's focus
  for (const button of $("list").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", Number(button.dataset.k) === state.picked);
  }
}

function chip(person, k, place, pick) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", title: "Show this person alone" });
  button.dataset.k = k;
  button.setAttribute("aria-label", `Person ${place + 1}, score ${person.score.toFixed(2)}`);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  Object.entries({ cx: 6, cy: 6, r: 6, fill: css(state.colours[k]) }).forEach(([key, value]) => dot.setAttribute(key, value));
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  svg.append(dot);
  button.append(svg, person.score.toFixed(2));
  button.addEventListener("click", () => pick(state.picked === k ? null : k));
  const item = document.createElement("li");
  item.append(button);
  return item;
}
