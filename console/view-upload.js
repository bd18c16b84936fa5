// One upload: its way, its files, what went wrong and what can be done.

import { address, get, post } from "./api.js";
import { ask, command, copyButton, errorBox, note } from "./dialogs.js";
import { announce, h, put, say } from "./dom.js";
import { follow } from "./feed.js";
import { definitions, fileState, filesTable } from "./files.js";
import * as format from "./format.js";
import { badge, icon } from "./icons.js";
import * as route from "./route.js";
import * as state from "./state.js";
import { isMoving } from "./state.js";
import { crossing, status, tone, updateCrossing, updateStatus, walk, word } from "./walk.js";

export function uploadView([id]) {
  const abort = new AbortController();
  const element = h("section.view", { "aria-busy": "true" });
  const times = new Map();
  const warnings = [];
  let detail = { artifacts: [], revision: null, error: null, waiting: null };
  let stream = null;
  let parts = null;

  async function load() {
    try {
      const [record, files] = await Promise.all([
        get(`v1/uploads/${encodeURIComponent(id)}`, { signal: abort.signal }),
        get(`v1/uploads/${encodeURIComponent(id)}/artifacts`, { signal: abort.signal }),
      ]);
      detail = files;
      const entry = state.learn(record.upload, files.error);
      times.set("pending", record.upload.createdAt);
      if (!parts) build(entry);
      show(entry);
      if (!stream) listen();
    } catch (error) {
      if (error.name === "AbortError") return;
      put(
        element,
        crumb(),
        h("h1", null, "Upload"),
        errorBox(error, h("button.button.is-small", { type: "button", on: { click: load } }, "Try again")),
      );
    }
  }

  function listen() {
    stream = follow(`v1/uploads/${encodeURIComponent(id)}/events`, { onEvent: hear, ends: true });
  }

  function hear({ kind, data }) {
    if (kind === "status") {
      if (data.status === "pending" && data.at) {
        times.clear();
        times.set("pending", data.at);
      } else if (data.at) times.set(data.status, data.at);
      reloadSoon();
    } else if (kind === "artifact") {
      const file = detail.artifacts.find((one) => one.path === data.path);
      if (!file) return reloadSoon();
      Object.assign(file, data);
      reloadSoon();
      showFile(file);
    } else if (kind === "warning" && !warnings.some((one) => one.message === data.message && one.path === data.path)) {
      warnings.push(data);
      showWarnings();
    }
    return undefined;
  }

  let soon = null;
  function reloadSoon() {
    soon ??= setTimeout(() => {
      soon = null;
      load();
    }, 400);
  }

  /* ---- the parts, made once ---- */

  function build(entry) {
    const { upload } = entry;
    parts = {
      title: h("h1"),
      origin: h("span.origin.is-large"),
      lead: h("p.view-lead"),
      status: status(entry),
      buttons: h("div.view-buttons"),
      way: crossing(entry),
      walk: h("div"),
      error: h("div"),
      waiting: h("div"),
      warnings: h("div"),
      files: h("div"),
      filesHead: h("span.panel-note"),
      facts: h("div"),
    };
    put(
      element,
      h(
        "header.view-head",
        null,
        h(
          "div",
          null,
          crumb(),
          h("div.title-line", null, parts.origin, h("div.title-text", null, parts.title, parts.lead)),
        ),
        parts.buttons,
      ),
      parts.error,
      parts.waiting,
      h(
        "section.panel.crossing-panel",
        { "aria-label": "Progress" },
        h("div.panel-body", null, h("div.now-line", null, parts.status, parts.way), parts.walk),
      ),
      parts.warnings,
      h("section.panel", null, h("div.panel-head", null, h("h2", null, "Files"), parts.filesHead), parts.files),
      h(
        "section.panel",
        null,
        h("div.panel-head", null, h("h2", null, "Record"), h("span.panel-note", null, "As the API shows it")),
        h(
          "div.panel-body.stack",
          null,
          parts.facts,
          command(`curl -u KEY:SECRET ${address(`v1/uploads/${upload.id}`)}`, "API request for this record"),
        ),
      ),
    );
    element.setAttribute("aria-busy", "false");
  }

  function show(entry) {
    const { upload } = entry;
    const from = upload.provider ?? upload.source;
    document.title = `${upload.fileName} · modelferry`;
    say(parts.title, upload.fileName);
    say(parts.origin, badge(from));
    parts.origin.dataset.provider = from;
    put(parts.lead, [format.provider(from), upload.kind, upload.url].filter(Boolean).join(" · "));
    showMoving(entry);
    if (["imported", "complete", "failed"].includes(upload.status) && !times.has(upload.status))
      times.set(upload.status, upload.updatedAt);
    put(parts.walk, walk(entry, times));
    showButtons(entry);
    showError(entry);
    put(
      parts.waiting,
      detail.waiting &&
        h(
          "div.waiting-box",
          null,
          icon("retry"),
          h(
            "p",
            null,
            `Tried ${format.count(detail.waiting.attempts, "time")}; the next try is ${format.until(detail.waiting.until)}. ${detail.waiting.message}`,
          ),
        ),
    );
    showFiles(entry);
    put(
      parts.facts,
      definitions([
        ["Upload", h("span.hash", null, upload.id, copyButton(upload.id, "Copy the upload's id"))],
        [
          "Pinned revision",
          detail.revision &&
            h("span.hash", null, format.short(detail.revision, 24), copyButton(detail.revision, "Copy the revision")),
        ],
        [
          "Asked for",
          h(
            "time",
            { datetime: upload.createdAt, title: format.exact(upload.createdAt) },
            format.moment(upload.createdAt),
          ),
        ],
        [
          "Last moved",
          h(
            "time",
            { datetime: upload.updatedAt, title: format.exact(upload.updatedAt) },
            format.moment(upload.updatedAt),
          ),
        ],
        ["By", upload.authorId],
        ["For", upload.ownerId],
        ["Options", upload.config && h("code", null, JSON.stringify(upload.config))],
      ]),
    );
  }

  function showMoving(entry) {
    if (parts.status.lastChild?.textContent !== word(entry)) {
      put(parts.walk, walk(entry, times));
      showFiles(entry);
    }
    updateStatus(parts.status, entry);
    updateCrossing(parts.way, entry);
  }

  function showButtons({ upload }) {
    const buttons = [];
    if (upload.entityId)
      buttons.push(
        h(
          "a.button.is-main",
          { href: route.link(["models", upload.entityId]) },
          icon("models"),
          upload.kind === "model" ? "Open the model" : "Open the asset",
        ),
      );
    if (upload.status === "failed")
      buttons.push(
        h("button.button.is-main", { type: "button", on: { click: () => act("retry") } }, icon("retry"), "Try again"),
      );
    if (["pending", "validating", "validated"].includes(upload.status))
      buttons.push(h("button.button.is-danger", { type: "button", on: { click: cancel } }, icon("cross"), "Cancel"));
    const focused = parts.buttons.contains(document.activeElement);
    put(parts.buttons, buttons);
    if (focused) parts.buttons.firstChild?.focus();
  }

  function showError(entry) {
    const { upload } = entry;
    if (upload.status !== "failed") return put(parts.error);
    const error = detail.error ?? { message: upload.errorMessage ?? "It failed." };
    return put(parts.error, errorBox(error));
  }

  function showFiles(entry) {
    const { upload } = entry;
    const files = detail.artifacts;
    const stored = files.filter((file) => file.status === "stored");
    say(
      parts.filesHead,
      files.length ? `${format.number(stored.length)} of ${format.count(files.length, "file")} stored` : "",
    );
    const isOver = ["imported", "complete", "failed"].includes(upload.status);
    if (files.length) {
      // Which of several files is on its way the records don't tell.
      const isAlone = files.length - stored.length === 1 && isMoving(entry);
      const last = (file) => fileState(file, isOver, isAlone);
      const stand = `${files.length} ${upload.status} ${isAlone}`;
      if (parts.files.dataset.stand !== stand) {
        put(parts.files, filesTable(files, { label: "Files of this upload", head: "State", last }));
        parts.files.dataset.stand = stand;
      } else files.forEach(showFile);
    } else
      put(
        parts.files,
        h(
          "p.panel-body.muted",
          null,
          isOver ? "It ended before its files were known." : "Its files are known once it is resolved.",
        ),
      );
  }

  function showFile(file) {
    const row = [...parts.files.querySelectorAll("tr[data-path]")].find((one) => one.dataset.path === file.path);
    if (!row || row.dataset.state === file.status) return;
    row.dataset.state = file.status;
    put(row.lastChild, fileState(file, false));
  }

  function showWarnings() {
    put(
      parts.warnings,
      h(
        "div.warning-box",
        null,
        icon("warn"),
        h(
          "ul",
          null,
          warnings.map((one) => h("li", null, one.path ? `${one.path}: ` : "", one.message)),
        ),
      ),
    );
  }

  /* ---- what can be done ---- */

  async function cancel() {
    const entry = state.find(id);
    const sure = await ask({
      title: "Cancel this upload?",
      text: `${entry?.upload.fileName ?? id} stops here. You can start it again later; files that arrived whole stay.`,
      yes: "Cancel the upload",
      danger: true,
    });
    if (sure) act("cancel");
  }

  async function act(action) {
    try {
      const answer = await post(`v1/uploads/${encodeURIComponent(id)}/action`, { action });
      state.learn(answer.upload);
      announce(action === "cancel" ? "Cancelled" : "Started again");
      stream?.stop();
      stream = null;
      if (action === "retry") times.clear();
      await load();
    } catch (error) {
      note(`${error.message} ${error.hint ?? ""}`, "bad");
    }
  }

  const stopWatching = state.watch((event) => {
    if (event.entry?.upload.id !== id || !parts) return;
    showMoving(event.entry);
    if (event.type === "upload" && event.was !== event.entry.upload.status) {
      announce(word(event.entry));
      reloadSoon();
    }
  });
  const pulse = setInterval(() => {
    const entry = state.find(id);
    if (entry && parts && tone(entry) === "live") showMoving(entry);
  }, 1000);

  load();
  return {
    element,
    leave: () => {
      abort.abort();
      stream?.stop();
      stopWatching();
      clearInterval(pulse);
      clearTimeout(soon);
    },
  };
}

const crumb = () => h("a.crumb", { href: route.link(["uploads"]) }, icon("next"), "Uploads");
