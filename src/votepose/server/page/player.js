// A video file: playing, pausing, seeking, and its speed. The element itself is not in the page; its frames are drawn.

import { RequestError } from "./api.js";
import { $ } from "./state.js";

export const video = document.createElement("video");
Object.assign(video, { muted: true, playsInline: true });

/** Wire the controls; `changed()` is called when the video starts, stops or jumps. */
export function listenToPlayer(changed) {
  $("play").addEventListener("click", toggle);
  $("seek").addEventListener("input", () => (video.currentTime = Number($("seek").value)));
  $("speed").addEventListener("change", () => (video.playbackRate = Number($("speed").value)));
  for (const event of ["play", "pause", "ended", "seeked"]) video.addEventListener(event, () => (renderPlayer(), changed()));
  for (const event of ["timeupdate", "durationchange"]) video.addEventListener(event, renderPlayer);
}

/** Load a file and play it; where the user wants less motion it waits for the Play button. */
export async function openVideo(file) {
  const loaded = new Promise((resolve, reject) => {
    video.onloadeddata = resolve;
    video.onerror = () => reject(new RequestError(cannotPlay(file)));
  });
  video.src = URL.createObjectURL(file);
  await loaded;
  if (!video.videoWidth) throw new RequestError(cannotPlay(file));
  video.playbackRate = Number($("speed").value);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) await video.play().catch(() => {}); // paused meanwhile
}

export function closeVideo() {
  video.onerror = null;
  video.pause();
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.srcObject = null;
  video.load();
}

export function toggle() {
  if (video.paused || video.ended) video.play();
  else video.pause();
}

function renderPlayer() {
  const length = Number.isFinite(video.duration) ? video.duration : 0; // a recording may not say how long it is
  const text = [video.currentTime, length].map(clock);
  const playing = !video.paused && !video.ended;
  $("player").classList.toggle("playing", playing);
  $("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  $("seek").max = length;
  $("seek").disabled = !length;
  $("seek").value = video.currentTime;
  $("seek").setAttribute("aria-valuetext", text.join(" of "));
  $("time").textContent = length ? text.join(" / ") : text[0];
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

function cannotPlay(file) {
  return `This browser cannot play ${file.name || "the video"}; votepose predict on the command line reads most videos.`;
}
