// What is known of uploads, kept up to date by one stream for all views.

import { follow } from "./feed.js";

/** How long a rate looks back, in milliseconds. */
const WINDOW = 6000;
/** Uploads kept beyond those on the screen. */
const MOST = 5000;

const known = new Map();
const listeners = new Set();
let stream = null;
let line = { is: "connecting" };

/** Hears `{ type: "upload" | "progress" | "reset" | "line", … }`. Returns how to stop. */
export function watch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const tell = (event) => listeners.forEach((listener) => listener(event));

/** How the stream stands. */
export const lineState = () => line;

/** Begins to listen, once signed in. */
export function start() {
  stop();
  stream = follow("v1/events", { onEvent: hear, onState: changeLine });
}

export function stop() {
  stream?.stop();
  stream = null;
  known.clear();
}

/** Tries at once what would be tried later. */
export const reconnect = () => stream?.retry();

function changeLine(state) {
  // What happened while nobody listened the stream tells by itself, from the last event on.
  line = state;
  tell({ type: "line", line });
}

function hear({ kind, data }) {
  if (kind === "upload") learn(data.upload, data.error, true);
  else if (kind === "progress") move(data);
  else if (kind === "reset") tell({ type: "reset" });
}

/** Takes a record from an answer or the stream; an older one than the known is dropped. */
export function learn(upload, error, isHeard = false) {
  const before = known.get(upload.id);
  if (before && before.upload.updatedAt > upload.updatedAt) return before;
  const entry = { samples: [], bytesDone: null, bytesTotal: null, ...before, upload };
  if (error !== undefined) entry.error = error;
  else if (upload.status !== "failed") entry.error = null;
  if (upload.status !== "pending") entry.samples = [];
  known.set(upload.id, entry);
  forgetTheOldest();
  tell({ type: "upload", entry, isNew: isHeard && !before, was: before?.upload.status });
  return entry;
}

function forgetTheOldest() {
  if (known.size <= MOST) return;
  const oldest = known.keys().next().value;
  known.delete(oldest);
}

function move({ uploadId, bytesDone, bytesTotal }) {
  const entry = known.get(uploadId);
  if (!entry) return;
  const now = performance.now();
  entry.bytesDone = bytesDone;
  entry.bytesTotal = bytesTotal ?? entry.upload.fileSize ?? null;
  const last = entry.samples.at(-1);
  if (last && last.bytes > bytesDone) entry.samples = [];
  entry.samples.push({ now, bytes: bytesDone });
  while (entry.samples.length > 2 && entry.samples[0].now < now - WINDOW) entry.samples.shift();
  tell({ type: "progress", entry });
}

export const find = (id) => known.get(id);

/** Bytes a second over the last seconds; nothing while that can't be told. */
export function speed(entry) {
  const [first, last] = [entry?.samples[0], entry?.samples.at(-1)];
  if (!first || last.now - first.now < 400) return null;
  const stale = performance.now() - last.now > WINDOW;
  return stale ? 0 : ((last.bytes - first.bytes) / (last.now - first.now)) * 1000;
}

/** Whether bytes are on their way. */
export const isMoving = (entry) => entry.upload.status === "pending" && entry.samples.length > 0;
