// Poses of moving images: the newest frame of a video element is asked about as soon as an earlier one is answered.
// At most `FLYING` frames are on their way and none wait, so what is shown never falls behind.

import { RequestError } from "./api.js";
import { scaled, toJpeg } from "./images.js";

const FLYING = 2; // one is prepared and sent while the server works on another
// Longest side of a frame that is sent, in pixels. At 384, joints moved three times as far as at 640, to save 2 of 50 ms.
const SENT = 640;
const SHOWN = 1280; // longest side of a frame that is drawn
const WINDOW = 2000; // milliseconds over which the rate is measured
const LEAST = 2 * FLYING; // images over which it is measured at least: slow answers come in bursts

/**
 * Ask about the frames that `video` presents until `signal` is aborted; to be called before it loads.
 *
 * `ask(blob, time)` returns a promise of the answer to a frame at `time` seconds; `show({bitmap, answer, width, height,
 * time})` is given each answer that is newer than the last, and `fail(error)` each `RequestError`, after which there is
 * a pause. `side()` is the input size that the user wants, 0 for any. Returns {again}, which asks about the frame that
 * is there once more.
 */
export function follow(video, { ask, show, fail, side }, signal) {
  let [fresh, time, asked, shown, flying] = [false, null, 0, 0, 0]; // `time` of the frame that is there, null if none
  const one = async (number) => {
    const frame = { time, ...(await grab(video, Math.max(SENT, side()))) };
    if (signal.aborted) return frame.bitmap.close();
    const answer = await ask(frame.blob, frame.time);
    if (signal.aborted || number < shown) return frame.bitmap.close();
    shown = number;
    show({ ...frame, answer });
  };
  const failed = async (error) => {
    if (signal.aborted) return;
    if (!(error instanceof RequestError)) throw error;
    fail(error);
    await new Promise((resolve) => setTimeout(resolve, 1000 * (error.wait || 1)));
    fresh = true; // asks about this frame again, should it be the last one
  };
  const offer = () => {
    if (signal.aborted || !fresh || flying >= FLYING) return;
    fresh = false;
    flying += 1;
    one(++asked).catch(failed).finally(() => {
      flying -= 1;
      offer();
    });
  };
  const presented = (_, { mediaTime }) => {
    if (signal.aborted) return;
    video.requestVideoFrameCallback(presented);
    [fresh, time] = [true, mediaTime];
    offer();
  };
  video.requestVideoFrameCallback(presented);
  return {
    again: () => {
      fresh = time !== null;
      offer();
    },
  };
}

/** Images per second: call the returned function with each; it gives the rate, NaN until there are two. */
export function rateMeter() {
  let times = [];
  return () => {
    const now = performance.now();
    times = [...times.filter((time, k) => now - time < WINDOW || k >= times.length - LEAST), now];
    return (1000 * (times.length - 1)) / (now - times[0]);
  };
}

async function grab(video, longest) {
  const [width, height] = [video.videoWidth, video.videoHeight];
  const canvas = scaled(video, width, height, SHOWN);
  const blob = await toJpeg(canvas, longest, 0.9);
  return { bitmap: canvas.transferToImageBitmap(), blob, width, height };
}
