// Images on their way: from a file to pixels, to what the server takes, and to the answer.

import { fetchPoses } from "./api.js";

const SENT = 2048; // longest side, in pixels, of an image that is made smaller for the server
const VIDEOS = /\.(mp4|m4v|mov|webm|mkv|avi|ogv|mpe?g|3gp|wmv)$/i;

export function isVideo(file) {
  return file.type.startsWith("video/") || VIDEOS.test(file.name ?? "");
}

/** The image in a file, or null if this browser cannot show it (TIFF, often HEIC). */
export function decode(file) {
  return createImageBitmap(file).catch(() => null);
}

/**
 * The people in an image file: {record, milliseconds, smaller}. What the server does not take, but this browser can
 * show, is sent as a JPEG, a `smaller` one if the file is over the server's limits.
 */
export async function fetchImage({ blob, bitmap, name, server }, options, signal) {
  const sendCopy = async () => {
    const shrink = Math.min(1, Math.sqrt(server.max_pixels / (bitmap.width * bitmap.height)));
    const longest = Math.min(SENT, Math.floor(shrink * Math.max(bitmap.width, bitmap.height)));
    const answer = await fetchPoses(await toJpeg(bitmap, longest, 0.9), name, options, server, signal);
    return { ...answer, record: enlarged(answer.record, bitmap.width, bitmap.height) };
  };
  if (bitmap && (blob.size > server.max_bytes || bitmap.width * bitmap.height > server.max_pixels)) {
    return { ...(await sendCopy()), smaller: true };
  }
  try {
    return await fetchPoses(blob, name, options, server, signal);
  } catch (error) {
    if (error.status !== 415 || !bitmap) throw error;
    return sendCopy();
  }
}

/** An image of `width` x `height`, made smaller if a side is over `longest` pixels. */
export function scaled(source, width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The image as a JPEG of at most `longest` pixels a side. */
export function toJpeg(image, longest, quality) {
  return scaled(image, image.width, image.height, longest).convertToBlob({ type: "image/jpeg", quality });
}

/** A record of a smaller image, in the pixels of one of `width` x `height`. */
export function enlarged(record, width, height) {
  const [x, y] = [width / record.width, height / record.height];
  const tidy = (value) => Math.round(100 * value) / 100;
  const people = record.people.map((person) => ({
    ...person,
    box: person.box.map((value, i) => tidy(value * (i % 2 ? y : x))),
    keypoints: Object.fromEntries(Object.entries(person.keypoints).map(([name, point]) =>
      [name, { ...point, x: tidy(point.x * x), y: tidy(point.y * y) }])),
  }));
  return { ...record, width, height, people };
}
