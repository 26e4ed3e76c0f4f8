// Requests to the server. Errors are thrown as a `RequestError`, with one line for the user.

const KEY = "votepose-api-key";

export class RequestError extends Error {
  /** `status`: of HTTP, 0 if there was no answer; `wait`: seconds after which to try again, 0 if unknown. */
  constructor(line, { status = 400, wait = 0 } = {}) {
    super(line);
    this.status = status;
    this.wait = wait;
  }

  /** May the same request succeed later? */
  get passes() {
    return this.status === 0 || this.status >= 500;
  }
}

/** The API key of the requests from now on, kept until the tab is closed. */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** The models, the skeleton, colours and defaults, and the server's limits. */
export async function fetchServer() {
  return (await get("v1/model")).json();
}

/** The people in an image: {record, milliseconds}. `signal` cancels the request. */
export async function fetchPoses(blob, name, options, server, signal) {
  if (blob.size > server.max_bytes) {
    const [has, most] = [blob.size, server.max_bytes].map((n) => (n / 2 ** 20).toFixed(1));
    throw new RequestError(`The image has ${has} MiB; the server takes ${most} MiB at most.`);
  }
  const body = new FormData();
  body.append("file", blob, name);
  const query = new URLSearchParams({ ...options, format: "json" });
  const answer = await get(`v1/poses?${query}`, { method: "POST", body, signal });
  return { record: await answer.json(), milliseconds: spent(answer.headers.get("Server-Timing")) };
}

async function get(url, options = {}) {
  const key = sessionStorage.getItem(KEY);
  let answer;
  try {
    answer = await fetch(url, key ? { ...options, headers: { "X-API-Key": key } } : options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("The server cannot be reached; is votepose serve still running?", { status: 0 });
  }
  if (answer.ok) return answer;
  const { detail } = await answer.json().catch(() => ({ detail: `The server answered ${answer.status}.` }));
  throw new RequestError(sentence(detail), { status: answer.status, wait: Number(answer.headers.get("Retry-After")) || 0 });
}

function spent(timing) {
  const parts = [...(timing ?? "").matchAll(/dur=([0-9.]+)/g)];
  return parts.reduce((sum, [, duration]) => sum + Number(duration), 0);
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");
}
