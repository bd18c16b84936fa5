// Scheduled imports: when they run next, and how the last runs went.

import { get } from "./api.js";
import { command, empty } from "./dialogs.js";
import { h, put } from "./dom.js";
import * as format from "./format.js";
import { badge, icon } from "./icons.js";
import { ghosts, pagedList } from "./list.js";
import * as route from "./route.js";

/** Days of the calendar strip in a list. */
const DAYS = 14;
const LISTINGS = { repo: "huggingface", author: "huggingface", collection: "huggingface", "civitai-model": "civitai", creator: "civitai", tag: "civitai", search: "civitai", list: "other" };

export const listingBadge = (sync) => {
  const provider = LISTINGS[sync.listing] ?? "other";
  return h("span.origin", { data: { provider }, title: sync.listing }, badge(provider));
};

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
    blank: () => empty({
      title: "No syncs yet",
      text: "A sync imports what is new of a repository, an author, a collection or a Civitai creator, by a schedule.",
      extra: h("div.empty-command", null, command("modelferry sync add weekly-models hf://author/org --cron '0 6 * * 1'", "command that makes a sync")),
      action: null,
    }),
  });
  put(list.rows, ghosts(4));
  return {
    element: h("section.view", null, h("header.view-head", null, h("div", null, h("h1", null, "Syncs"), h("p.view-lead", null, `Imports that run by a schedule; times are ${format.zone}`))), list.element),
    shown: () => list.reload(),
    leave: () => list.stop(),
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
    h("div.row-main", null, h("a.row-link", { href: route.link(["syncs", sync.id]) }, sync.name), h("span.row-detail", null, sync.source)),
    h("div.row-main", null, h("span.row-cell", null, sync.schedule), h("span.row-detail", null, sync.paused ? "paused" : sync.nextRunAt ? `next ${format.until(sync.nextRunAt)}` : "no next run")),
    strip(runs, DAYS),
    runStatus(lastRun, sync),
  );
}

export const RUN_TONES = { done: "good", failed: "bad", interrupted: "quiet", running: "live" };
const RUN_SIGNS = { done: "check", failed: "cross", interrupted: "pause", running: "next" };

/** How a run went, as a word with a sign. */
export function runStatus(run, sync) {
  if (sync?.paused) return h("span.status", { data: { tone: "quiet" } }, icon("pause"), h("span", null, "Paused"));
  if (!run) return h("span.status", { data: { tone: "quiet" } }, h("span.dot"), h("span", null, "Not run yet"));
  const failedSome = run.status === "done" && run.counts?.failed > 0;
  const tone = failedSome ? "bad" : RUN_TONES[run.status] ?? "quiet";
  const word = failedSome ? `${format.number(run.counts.failed)} failed` : run.status[0].toUpperCase() + run.status.slice(1);
  return h("span.status", { data: { tone } }, icon(failedSome ? "warn" : RUN_SIGNS[run.status] ?? "next"), h("span", null, word));
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
    const worst = of.find((run) => run.status === "failed") ?? of.find((run) => run.status === "running") ?? of.find((run) => run.status === "interrupted") ?? of[0];
    const fresh = of.reduce((sum, run) => sum + (run.counts?.new ?? 0) + (run.counts?.changed ?? 0), 0);
    const text = worst ? `${format.day(from)}: ${format.count(of.length, "run")}, ${worst.status}, ${format.number(fresh)} new or changed` : `${format.day(from)}: no run`;
    const sign = worst?.status === "failed" ? "×" : fresh ? "+" : "";
    return h("span.strip-day", { data: { tone: worst ? RUN_TONES[worst.status] ?? "quiet" : "none" }, title: text }, sign);
  });
  const failed = runs.filter((run) => run.status === "failed").length;
  return h(isLarge ? "div.strip.is-large" : "div.strip", { role: "img", "aria-label": `${format.count(runs.length, "run")} of late, ${format.number(failed)} failed` }, cells);
}
