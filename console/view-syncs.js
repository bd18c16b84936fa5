// Scheduled imports: when they run next, and how the last runs went.

import { get, post } from "./api.js";
import { command, empty, errorBox } from "./dialogs.js";
import { h, put } from "./dom.js";
import * as format from "./format.js";
import { badge, icon } from "./icons.js";
import { ghosts, pagedList } from "./list.js";
import * as route from "./route.js";

/** Days of the calendar strip in a list. */
const DAYS = 14;
const SCHEDULES = [
  ["@hourly", "Every hour"],
  ["0 6 * * *", "Every day at 6:00"],
  ["0 6 * * MON-FRI", "Monday to Friday at 6:00"],
  ["0 6 * * MON", "Every Monday at 6:00"],
  ["0 6 1 * *", "On the first of the month at 6:00"],
  ["", "Written by hand"],
];

/** Whose a source is, as far as its text and sort tell. */
export function listingBadge(sync) {
  const isCivitai = /civitai/i.test(sync.source) || ["civitai-model", "creator", "tag"].includes(sync.listing);
  const isWeb =
    ["list", "file", "url"].includes(sync.listing) ||
    (/^https?:/.test(sync.source) && !/huggingface|hf\.co/.test(sync.source));
  const provider = isCivitai ? "civitai" : isWeb ? "other" : "huggingface";
  return h("span.origin", { data: { provider }, title: sync.listing ?? "" }, badge(provider));
}

export function syncsView() {
  const list = pagedList({
    label: "Syncs",
    columns: ["", "Name", "Schedule", `Last ${DAYS} days`, "State"],
    load: async (token, signal) => {
      const answer = await get("v1/syncs", { query: { pageSize: 50, paginationToken: token }, signal });
      const items = await Promise.all(answer.syncs.map(async (sync) => ({ sync, runs: await lastRuns(sync, signal) })));
      return { items, next: answer.nextPaginationToken };
    },
    row,
    blank: () =>
      empty({
        title: "No syncs yet",
        text: "A sync imports what is new of a repository, an author, a collection or a Civitai creator, by a schedule.",
        action: h("button.button.is-main", { type: "button", on: { click: () => form.open() } }, "Make the first sync"),
        extra: command(
          "modelferry sync add models https://huggingface.co/acme --cron @daily",
          "command that makes a sync",
        ),
      }),
  });
  const form = newSync();
  put(list.rows, ghosts(4));
  return {
    element: h(
      "section.view",
      null,
      h(
        "header.view-head",
        null,
        h(
          "div",
          null,
          h("h1", null, "Syncs"),
          h("p.view-lead", null, `Imports that run by a schedule; times are ${format.zone}`),
        ),
        h("button.button.is-main", { type: "button", on: { click: () => form.open() } }, icon("syncs"), "New sync"),
      ),
      form.element,
      list.element,
    ),
    shown: () => list.reload(),
    leave: () => list.stop(),
  };
}

/** Makes a sync; what is wrong with it the server says. */
function newSync() {
  const name = h("input", {
    id: "sync-name",
    required: true,
    placeholder: "harbour-models",
    spellcheck: "false",
    autocapitalize: "off",
  });
  const source = h("input", {
    id: "sync-source",
    required: true,
    placeholder: "https://huggingface.co/org, civitai:4384, org/name",
    spellcheck: "false",
    autocapitalize: "off",
  });
  const often = h(
    "select",
    { id: "sync-often", on: { change: showCron } },
    SCHEDULES.map(([value, text]) => h("option", { value }, text)),
  );
  const cron = h("input", { id: "sync-cron", placeholder: "minute hour day month weekday", spellcheck: "false" });
  const cronField = h("div.field", { hidden: true }, h("label", { for: "sync-cron" }, "Cron"), cron);
  const problem = h("div", { role: "alert" });
  const make = h("button.button.is-main", null, "Make it");
  const element = h(
    "form.panel",
    {
      hidden: true,
      "aria-label": "New sync",
      on: {
        submit: (event) => {
          event.preventDefault();
          save();
        },
      },
    },
    h("div.panel-head", null, h("h2", null, "New sync"), h("span.panel-note", null, `Times are ${format.zone}`)),
    h(
      "div.panel-body.stack",
      null,
      h(
        "div.options",
        null,
        h("div.field", null, h("label", { for: "sync-name" }, "Name"), name),
        h("div.field.is-wide", null, h("label", { for: "sync-source" }, "Source"), source),
        h("div.field", null, h("label", { for: "sync-often" }, "When"), often),
        cronField,
      ),
      problem,
      h(
        "div.view-buttons",
        null,
        make,
        h(
          "button.button",
          {
            type: "button",
            on: {
              click: () => {
                element.hidden = true;
              },
            },
          },
          "Not now",
        ),
      ),
    ),
  );
  often.value = SCHEDULES[1][0];

  function showCron() {
    cronField.hidden = often.value !== "";
    if (!cronField.hidden) cron.focus();
  }

  async function save() {
    make.disabled = true;
    put(problem);
    try {
      const { sync } = await post("v1/syncs", {
        name: name.value.trim(),
        source: source.value.trim(),
        cron: often.value || cron.value.trim(),
        timezone: format.zone,
      });
      route.go(["syncs", sync.id]);
    } catch (error) {
      put(problem, errorBox(error));
      make.disabled = false;
    }
  }

  return {
    element,
    open() {
      element.hidden = false;
      name.focus();
    },
  };
}

async function lastRuns(sync, signal) {
  try {
    const answer = await get(`v1/syncs/${encodeURIComponent(sync.id)}/runs`, { query: { pageSize: 50 }, signal });
    return answer.runs;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return [];
  }
}

function row({ sync, runs }) {
  const { lastRun } = sync;
  return h(
    "li.row.sync-row",
    null,
    listingBadge(sync),
    h(
      "div.row-main",
      null,
      h("a.row-link", { href: route.link(["syncs", sync.id]) }, sync.name),
      h("span.row-detail", null, sync.source),
    ),
    h(
      "div.row-main",
      null,
      h("span.row-cell", null, sync.schedule),
      h(
        "span.row-detail",
        null,
        sync.paused ? "paused" : sync.nextRunAt ? `next ${format.until(sync.nextRunAt)}` : "no next run",
      ),
    ),
    strip(runs, DAYS),
    runStatus(lastRun, sync),
  );
}

export const RUN_TONES = { done: "good", failed: "bad", interrupted: "quiet", running: "live", waiting: "live" };
const RUN_SIGNS = { done: "check", failed: "cross", interrupted: "pause", running: "next", waiting: "next" };

/** How a run went, as a word with a sign. */
export function runStatus(run, sync) {
  if (sync?.paused) return h("span.status", { data: { tone: "quiet" } }, icon("pause"), h("span", null, "Paused"));
  if (!run) return h("span.status", { data: { tone: "quiet" } }, h("span.dot"), h("span", null, "Not run yet"));
  const failedSome = run.status === "done" && run.counts?.failed > 0;
  const tone = failedSome ? "bad" : (RUN_TONES[run.status] ?? "quiet");
  const word = failedSome
    ? `${format.number(run.counts.failed)} failed`
    : run.status[0].toUpperCase() + run.status.slice(1);
  return h(
    "span.status",
    { data: { tone } },
    icon(failedSome ? "warn" : (RUN_SIGNS[run.status] ?? "next")),
    h("span", null, word),
  );
}

/** A calendar of days: how the runs of each went, by sign as well as colour. */
export function strip(runs, days, isLarge = false) {
  const today = new Date();
  today.setHours(0, 0, 0, 0);
  const cells = Array.from({ length: days }, (_, nth) => {
    const from = new Date(today);
    from.setDate(today.getDate() - (days - 1 - nth));
    const to = new Date(from);
    to.setDate(from.getDate() + 1);
    const of = runs.filter((run) => new Date(run.startedAt) >= from && new Date(run.startedAt) < to);
    const worst =
      of.find((run) => run.status === "failed") ??
      of.find((run) => run.status === "running") ??
      of.find((run) => run.status === "interrupted") ??
      of[0];
    const fresh = of.reduce((sum, run) => sum + (run.counts?.new ?? 0) + (run.counts?.changed ?? 0), 0);
    const text = worst
      ? `${format.day(from)}: ${format.count(of.length, "run")}, ${worst.status}, ${format.number(fresh)} new or changed`
      : `${format.day(from)}: no run`;
    const sign = worst?.status === "failed" ? "×" : fresh ? "+" : "";
    return h(
      "span.strip-day",
      { data: { tone: worst ? (RUN_TONES[worst.status] ?? "quiet") : "none" }, title: text },
      sign,
    );
  });
  const failed = runs.filter((run) => run.status === "failed").length;
  return h(
    isLarge ? "div.strip.is-large" : "div.strip",
    { role: "img", "aria-label": `${format.count(runs.length, "run")} of late, ${format.number(failed)} failed` },
    cells,
  );
}
