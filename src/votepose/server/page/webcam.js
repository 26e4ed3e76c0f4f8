// The webcam as a stream of images. The next one is taken when the last has been processed, so there is no lag.

import { RequestError } from "./api.js";

const SIDE = 640; // longest side of a frame that is sent, in pixels

const REASONS = {
  NotAllowedError: "The browser was not allowed to use the webcam.",
  NotFoundError: "No webcam was found.",
  NotReadableError: "The webcam is in use by another program.",
};

/** Ask the browser for the webcam. */
export async function openWebcam() {
  if (!navigator.mediaDevices) throw new RequestError("Browsers allow the webcam only on https and localhost pages.");
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
  } catch (error) {
    throw new RequestError(REASONS[error.name] ?? `The webcam does not start (${error.message}).`);
  }
}

export function closeWebcam(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/** Whether the camera faces the user, who expects a mirror image. */
export function facesUser(stream) {
  return stream.getVideoTracks()[0].getSettings().facingMode !== "environment";
}

/** Yields the newest image as {bitmap, blob} until the stream is closed. */
export async function* frames(stream) {
  const video = document.createElement("video");
  Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  const canvas = document.createElement("canvas");
  while (stream.active) {
    const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const [bitmap, blob] = await Promise.all([
      createImageBitmap(canvas),
      new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85)),
    ]);
    yield { bitmap, blob };
    await new Promise(requestAnimationFrame);
  }
}
