// The webcam's stream, or one line that says why there is none.

import { RequestError } from "./api.js";

const REASONS = {
  NotAllowedError: "The browser may not use the webcam. Allow it beside the address bar, then start it again.",
  NotFoundError: "No webcam was found. Connect one, then start it again.",
  NotReadableError: "The webcam is in use by another program. Close that one, then start it again.",
};

/** Ask the browser for the webcam. */
export async function openWebcam() {
  if (!navigator.mediaDevices) throw new RequestError("Browsers allow the webcam on https and localhost pages only.");
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
  } catch (error) {
    throw new RequestError(REASONS[error.name] ?? `The webcam does not start (${error.message}).`);
  }
}

export function closeWebcam(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/** Does the camera face its user, who expects a mirror image? */
export function facesUser(stream) {
  return stream.getVideoTracks()[0].getSettings().facingMode !== "environment";
}
