// The way of an upload: from its hub, over the water, to the storage.

import { h, say } from "./dom.js";
import * as format from "./format.js";
import { icon } from "./icons.js";
import { isMoving, speed } from "./state.js";

export const STATUS = {
  pending: "Waiting",
  validating: "Validating",
  validated: "Validated",
  imported: "Imported",
  complete: "Stored",
  failed: "Failed",
};

/** Where an entry stands, in one word. */
export function word(entry) {
  if (entry.upload.status === "pending" && isMoving(entry)) return "Transferring";
  if (entry.upload.status === "failed" && code(entry) === "cancelled") return "Cancelled";
  return STATUS[entry.upload.status] ?? entry.upload.status;
}

/** A failure's code: the stream tells it, and the message ends with it. */
export function code(entry) {
  return entry.error?.code ?? /\[([a-z_]+)\]$/.exec(entry.upload.errorMessage ?? "")?.[1] ?? null;
}

/** Which colour and sign a status has. */
export function tone(entry) {
  const { status } = entry.upload;
  if (status === "failed") return code(entry) === "cancelled" ? "quiet" : "bad";
  if (status === "imported" || status === "complete") return "good";
  return isMoving(entry) || status !== "pending" ? "live" : "quiet";
}

const SIGNS = { good: "check", bad: "cross", live: "next", quiet: null };

/** A status as a word with a sign, never by colour alone. */
export function status(entry) {
  const element = h("span.status");
  updateStatus(element, entry);
  return element;
}

export function updateStatus(element, entry) {
  const [now, text] = [tone(entry), word(entry)];
  if (element.dataset.tone === now && element.lastChild?.textContent === text) return;
  element.dataset.tone = now;
  const sign = SIGNS[now] ? icon(SIGNS[now]) : h("span.dot");
  element.replaceChildren(sign, h("span", null, text));
}

/** How far an entry is, from 0 to 1. */
export function share(entry) {
  const { status } = entry.upload;
  if (status === "imported" || status === "complete") return 1;
  if (status === "validating" || status === "validated") return 1;
  const total = entry.bytesTotal ?? entry.upload.fileSize;
  return total && entry.bytesDone !== null ? Math.min(entry.bytesDone / total, 1) : 0;
}

/** What is on its way, in figures. */
export function figures(entry) {
  const { status, fileSize } = entry.upload;
  if (status === "pending" && isMoving(entry)) {
    const total = entry.bytesTotal ?? fileSize;
    const moved = total ? `${format.bytes(entry.bytesDone)} of ${format.bytes(total)}` : format.bytes(entry.bytesDone);
    const fast = speed(entry);
    if (fast === null) return moved;
    const left = fast > 0 && total ? `, ${format.span((total - entry.bytesDone) / fast)} left` : "";
    return `${moved} · ${format.rate(fast)}${left}`;
  }
  if (status === "pending") return fileSize ? format.bytes(fileSize) : "Not resolved yet";
  if (status === "failed") return code(entry) ?? "";
  return fileSize !== undefined ? format.bytes(fileSize) : "";
}

/** The crossing: a bar for the transfer and three piers for what follows. */
export function crossing(entry) {
  const bar = h("span.crossing-bar", null, h("span.crossing-fill"));
  const piers = [1, 2, 3].map(() => h("span.pier"));
  const text = h("span.crossing-text");
  const element = h("span.crossing", null, h("span.crossing-line", { "aria-hidden": "true" }, bar, piers), text);
  updateCrossing(element, entry);
  return element;
}

const REACHED = { pending: 0, validating: 1, validated: 2, imported: 3, complete: 3, failed: 0 };

export function updateCrossing(element, entry) {
  const line = element.firstChild;
  element.dataset.tone = tone(entry);
  line.firstChild.firstChild.style.setProperty("--share", share(entry).toFixed(4));
  const reached = REACHED[entry.upload.status] ?? 0;
  [...line.children].slice(1).forEach((pier, nth) => {
    pier.classList.toggle("is-reached", nth < reached);
  });
  say(element.lastChild, figures(entry));
}

const STEPS = [
  ["pending", "Asked for", ""],
  ["validating", "Every byte here", "On their way"],
  ["validated", "Found good", "Being looked into"],
  ["imported", "Imported", "Being registered"],
];

/** The walk in full, with the time of each step. `times` is by status. */
export function walk(entry, times) {
  const { status, config } = entry.upload;
  const list = STEPS.map(([name, title, text]) => {
    if (name === "imported" && (status === "complete" || config?.register === false)) {
      return ["complete", "Stored", "Being finished"];
    }
    return [name, title, text];
  });
  if (status === "failed") {
    const last = list.findLastIndex(([name]) => times.has(name));
    list.splice(Math.max(last, 0) + 1);
    list.push(["failed", word(entry), ""]);
  }
  const reached = list.findIndex(([name]) => name === status);
  return h(
    "ol.walk",
    { "aria-label": "Progress" },
    list.map(([name, title, text], nth) => {
      const time = times.get(name);
      const state = name === "failed" ? "failed" : nth <= reached ? "done" : nth === reached + 1 ? "now" : "ahead";
      const doing = name === "validating" && !isMoving(entry) ? "Waiting for a worker" : text;
      const sign = { done: icon("check"), failed: icon("cross") }[state];
      return h(
        "li.step",
        { data: { state }, "aria-current": state === "now" ? "step" : undefined },
        h("span.step-sign", null, sign),
        h("span.step-title", null, title),
        h(
          "span.step-text",
          null,
          time
            ? h("time", { datetime: time, title: format.exact(time) }, format.timeOfDay(time))
            : state === "now"
              ? doing
              : "",
        ),
      );
    }),
  );
}
