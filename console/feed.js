// Server-sent events over fetch, which can carry the key: read, reconnected
// with growing waits, and gone on with after the last event that was heard.

import { address, ApiError, health } from "./api.js";
import { authorization } from "./session.js";

/** The server says something every 15 s; a stream that is silent for longer is dead. */
const SILENCE = 40_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;

/**
 * Follows a stream until `stop()` or its own end. `onState` hears `connecting`,
 * `live`, `waiting` (with the time of the next try) and `ended`.
 */
export function follow(path, { onEvent, onState = () => {}, ends = false }) {
  const control = { stopped: false, abort: null, wake: null };
  run(path, { onEvent, onState, ends }, control);
  return {
    stop() {
      control.stopped = true;
      control.abort?.abort();
      control.wake?.();
    },
    /** Does not wait any longer for the next try. */
    retry() {
      control.wake?.();
    },
  };
}

async function run(path, { onEvent, onState, ends }, control) {
  let lastId = null;
  let failures = 0;
  while (!control.stopped) {
    onState({ is: "connecting", failures });
    const heard = (event) => {
      if (event.id !== null) lastId = event.id;
      failures = 0;
      onEvent(event);
    };
    const over = await once(path, lastId, control, heard, () => onState({ is: "live" }));
    if (control.stopped) return;
    if (over.final || (over.clean && ends)) {
      onState({ is: "ended", error: over.error });
      return;
    }
    failures += 1;
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(failures - 1, 10));
    const wait = longest * (0.7 + 0.3 * Math.random());
    onState({ is: "waiting", failures, until: Date.now() + wait });
    await rest(wait, control);
  }
}

function rest(wait, control) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, wait);
    function done() {
      clearTimeout(timer);
      control.wake = null;
      resolve();
    }
    control.wake = done;
  });
}

/** One connection, to its end. */
async function once(path, lastId, control, onEvent, onOpen) {
  control.abort = new AbortController();
  const headers = { accept: "text/event-stream", ...authorization() };
  if (lastId !== null) headers["last-event-id"] = lastId;
  let quiet = null;
  const listen = () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => control.abort.abort(), SILENCE);
  };
  try {
    listen();
    const answer = await fetch(address(path), {
      headers,
      signal: control.abort.signal,
      cache: "no-store",
      credentials: "omit",
    });
    if (!answer.ok) return await refused(answer);
    onOpen();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser(onEvent);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { clean: true };
      listen();
      parse(value);
    }
  } catch {
    return { clean: false };
  } finally {
    clearTimeout(quiet);
  }
}

async function refused(answer) {
  if (answer.status === 401) {
    const error = new ApiError({ status: 401, code: "auth_required", message: "The API key no longer works." });
    health.dispatchEvent(new CustomEvent("revoked", { detail: error }));
    return { final: true, error };
  }
  return { final: answer.status === 404 || answer.status === 403, clean: false };
}

/** Reads the format of server-sent events, in whatever pieces it comes. */
export function parser(onEvent) {
  let rest = "";
  let event = { kind: "message", data: [], id: null };
  return (text) => {
    rest += text;
    const lines = rest.split(/\r\n|\n|\r/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data.length) deliver(event, onEvent);
        event = { kind: "message", data: [], id: null };
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") event.kind = value;
      else if (field === "data") event.data.push(value);
      else if (field === "id") event.id = value;
    }
  };
}

function deliver(event, onEvent) {
  try {
    onEvent({ kind: event.kind, id: event.id, data: JSON.parse(event.data.join("\n")) });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
}
