// One sync: its schedule, its calendar, and what each run found.

import { call, get, post } from "./api.js";
import { errorBox, note } from "./dialogs.js";
import { announce, h, put } from "./dom.js";
import { definitions } from "./files.js";
import * as format from "./format.js";
import { icon } from "./icons.js";
import * as route from "./route.js";
import { listingBadge, runStatus, strip } from "./view-syncs.js";

const DAYS = 42;
/** Between looks while a run goes on; syncs have no stream of their own. */
const LOOK = 2000;

export function syncView([id]) {
  const abort = new AbortController();
  const path = `v1/syncs/${encodeURIComponent(id)}`;
  const element = h("section.view", { "aria-busy": "true" });
  let timer = null;
  let opened = new Set();

  async function load() {
    clearTimeout(timer);
    try {
      const [{ sync }, { runs }] = await Promise.all([
        get(path, { signal: abort.signal }),
        get(`${path}/runs`, { query: { pageSize: 50 }, signal: abort.signal }),
      ]);
      show(sync, runs);
      if (runs.some(isOpen)) timer = setTimeout(load, LOOK);
    } catch (error) {
      if (error.name === "AbortError") return;
      put(
        element,
        crumb(),
        h("h1", null, "Sync"),
        errorBox(error, h("button.button.is-small", { type: "button", on: { click: load } }, "Try again")),
      );
    }
  }

  function show(sync, runs) {
    document.title = `${sync.name} · modelferry`;
    const origin = listingBadge(sync);
    origin.classList.add("is-large");
    const isRunning = runs.some(isOpen);
    const focused = document.activeElement?.dataset?.action;
    put(
      element,
      h(
        "header.view-head",
        null,
        h(
          "div",
          null,
          crumb(),
          h(
            "div.title-line",
            null,
            origin,
            h("div.title-text", null, h("h1", null, sync.name), h("p.view-lead", null, sync.source)),
          ),
        ),
        h(
          "div.view-buttons",
          null,
          button(sync.paused ? "Resume" : "Pause", sync.paused ? "play" : "pause", "pause", () =>
            act(() => call("PATCH", path, { body: { paused: !sync.paused } }), sync.paused ? "Resumed" : "Paused"),
          ),
          button("What would come?", "search", "dry", () =>
            act(() => post(`${path}/run`, undefined, { query: { dryRun: "true" } }), "Looked"),
          ),
          button(
            isRunning ? "Running" : "Run now",
            "retry",
            "run",
            () => act(() => post(`${path}/run`), "Started"),
            isRunning,
          ),
        ),
      ),
      h(
        "section.panel",
        null,
        h("div.panel-head", null, h("h2", null, "Schedule"), runStatus(sync.lastRun, sync)),
        h(
          "div.panel-body.stack",
          null,
          definitions([
            ["In words", sync.schedule],
            ["Written", h("code", null, sync.cron)],
            ["Time zone", sync.timezone],
            ["Next", sync.paused ? "paused" : sync.nextRunAt ? format.until(sync.nextRunAt) : "none"],
          ]),
          !sync.paused &&
            sync.nextRuns?.length > 0 &&
            h(
              "div.field",
              null,
              h("span.label", null, `Next runs, ${format.zone}`),
              h(
                "div.next-runs",
                null,
                sync.nextRuns.map((time) =>
                  h("time.chip", { datetime: time, title: format.exact(time) }, format.moment(time)),
                ),
              ),
            ),
          h("div.field", null, h("span.label", null, `Last ${DAYS / 7} weeks`), strip(runs, DAYS, true)),
        ),
      ),
      filters(sync),
      h(
        "section.panel",
        null,
        h(
          "div.panel-head",
          null,
          h("h2", null, "Runs"),
          h("span.panel-note", null, runs.length ? format.count(runs.length, "run") : ""),
        ),
        runs.length ? h("div", null, runs.map(run)) : h("p.panel-body.muted", null, "It has not run yet."),
      ),
    );
    element.setAttribute("aria-busy", "false");
    if (focused) element.querySelector(`[data-action="${focused}"]`)?.focus();
  }

  function button(text, sign, action, click, disabled = false) {
    return h(
      action === "run" ? "button.button.is-main" : "button.button",
      { type: "button", disabled, data: { action }, on: { click } },
      icon(sign),
      text,
    );
  }

  async function act(request, said) {
    try {
      const answer = await request();
      announce(said);
      if (answer?.run) opened = new Set([answer.run.id]);
      await load();
      if (answer?.run?.difference && !element.querySelector(`[data-run="${answer.run.id}"]`)) showDry(answer.run);
    } catch (error) {
      note(`${error.message} ${error.hint ?? ""}`, "bad");
    }
  }

  /** A run that changed nothing is kept nowhere: it is shown once. */
  function showDry(run_) {
    element.insertBefore(
      h(
        "section.panel",
        { role: "status" },
        h("div.panel-head", null, h("h2", null, "What would come"), h("span.panel-note", null, counts(run_.counts))),
        h("div.panel-body", null, difference(run_)),
      ),
      element.children[1],
    );
  }

  function run(of) {
    const details = h(
      "details.run",
      { data: { run: of.id }, open: opened.has(of.id) },
      h(
        "summary",
        null,
        runStatus(of),
        h("span", null, counts(of.counts)),
        h("time.row-time", { datetime: of.startedAt, title: format.exact(of.startedAt) }, format.moment(of.startedAt)),
      ),
      h(
        "div.run-body.stack",
        null,
        of.error && errorBox(of.error),
        h(
          "p.muted",
          null,
          `${of.cause === "schedule" ? "By the schedule" : "On request"}${of.endedAt ? `, took ${format.span((new Date(of.endedAt) - new Date(of.startedAt)) / 1000)}` : ""}${of.counts?.bytes ? `, ${format.bytes(of.counts.bytes)} moved` : ""}`,
        ),
        difference(of),
      ),
    );
    details.addEventListener("toggle", () => (details.open ? opened.add(of.id) : opened.delete(of.id)));
    return details;
  }

  load();
  return {
    element,
    leave: () => {
      abort.abort();
      clearTimeout(timer);
    },
  };
}

const isOpen = (run) => run.status === "running" || run.status === "waiting";
const crumb = () => h("a.crumb", { href: route.link(["syncs"]) }, icon("next"), "Syncs");

function counts(of) {
  if (!of) return "";
  const parts = [
    ["new", of.new],
    ["changed", of.changed],
    ["unchanged", of.unchanged],
    ["missing", of.missing],
    ["pruned", of.pruned],
    ["failed", of.failed],
  ];
  const said = parts.filter(([, count]) => count).map(([word, count]) => `${format.number(count)} ${word}`);
  return said.length ? said.join(", ") : `${format.number(of.seen ?? 0)} seen, nothing new`;
}

const SIDES = [
  ["new", "+", "New"],
  ["changed", "~", "Changed"],
  ["missing", "−", "No longer listed"],
  ["pruned", "×", "Removed here"],
  ["failed", "!", "Failed"],
];

/** What a run found that the one before had not. */
function difference(of) {
  const sides = SIDES.filter(([name]) => of.difference?.[name]?.length);
  if (!sides.length) return h("p.muted", null, "No difference to the run before.");
  return [
    h(
      "div.difference",
      null,
      sides.map(([name, sign, title]) =>
        h(
          "section",
          null,
          h(
            "h3",
            null,
            h("span.sign", { "aria-hidden": "true" }, sign),
            `${title} (${format.number(of.counts?.[name] ?? of.difference[name].length)})`,
          ),
          h(
            "ul",
            null,
            of.difference[name].map((one) =>
              h(
                "li",
                null,
                one.uploadId
                  ? h("a", { href: route.link(["uploads", one.uploadId]) }, one.name ?? one.source)
                  : (one.name ?? one.source),
                one.revision &&
                  h(
                    "span.muted",
                    null,
                    ` ${one.from ? `${format.short(one.from, 8)} → ` : ""}${format.short(one.revision, 8)}`,
                  ),
                one.error && h("p.error-hint", null, one.error.message ?? String(one.error)),
              ),
            ),
          ),
        ),
      ),
    ),
    of.difference.cut && h("p.muted", null, "The lists are cut at 100 entries each."),
  ];
}

function filters(sync) {
  const of = sync.filters ?? {};
  const list = (value) => (Array.isArray(value) && value.length ? value.join(", ") : null);
  const pairs = [
    ["Names", list(of.name)],
    ["Only files", list(of.include)],
    ["No files", list(of.exclude)],
    ["Base model", list(of.baseModel)],
    ["Type", list(of.type)],
    ["Largest", of.maxSize ? format.bytes(Number(of.maxSize)) : null],
    ["Newest", of.newest ? format.number(of.newest) : null],
    ["Since", of.since],
    [
      "Prunes",
      sync.prune?.limit ? `in step with the source: removes at most ${format.number(sync.prune.limit)} a run` : null,
    ],
    ["Kind", sync.kind],
    ["Revision", sync.revision],
    ["Credential", sync.credential],
    ["Tells", sync.webhookUrl],
  ].filter(([, value]) => value);
  if (!pairs.length) return null;
  return h(
    "section.panel",
    null,
    h("div.panel-head", null, h("h2", null, "What it takes")),
    h("div.panel-body", null, definitions(pairs)),
  );
}
