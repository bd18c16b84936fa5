// Numbers: what moved, from where, what reuse saved, and what fails.

import { get } from "./api.js";
import { asTable, barList, byteUnit, columnChart } from "./charts.js";
import { empty, errorBox } from "./dialogs.js";
import { h, put } from "./dom.js";
import * as format from "./format.js";
import * as route from "./route.js";
import * as state from "./state.js";

const HOUR = 3600;
const RANGES = [
  ["24h", "24 hours", 24, HOUR],
  ["7d", "7 days", 7, 24 * HOUR],
  ["30d", "30 days", 30, 24 * HOUR],
  ["90d", "90 days", 90, 24 * HOUR],
];

export function numbersView(query) {
  const abort = new AbortController();
  let range = RANGES.find(([name]) => name === query.get("range")) ?? RANGES[2];
  const tabs = h(
    "div.tabs.range",
    { role: "group", "aria-label": "Span of time" },
    RANGES.map((one) =>
      h("button.tab", { type: "button", data: { value: one[0] }, on: { click: () => choose(one) } }, one[1]),
    ),
  );
  const body = h("div.stack", { "aria-busy": "true" });

  function choose(one) {
    range = one;
    route.refine({ range: one[0] });
    load();
  }

  /** Where the span begins: at the full hour or the reader's own midnight. */
  function begin() {
    const [, , steps, step] = range;
    const date = new Date();
    if (step === HOUR) date.setMinutes(0, 0, 0);
    else date.setHours(0, 0, 0, 0);
    return new Date(date.getTime() - (steps - 1) * step * 1000);
  }

  async function load() {
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.value === range[0]));
    try {
      const since = begin();
      const { stats } = await get("v1/stats", {
        query: { since: since.toISOString(), step: range[3] },
        signal: abort.signal,
      });
      show(stats, since);
    } catch (error) {
      if (error.name !== "AbortError")
        put(body, errorBox(error, h("button.button.is-small", { type: "button", on: { click: load } }, "Try again")));
    }
  }

  function show(stats, since) {
    const columns = byStep(stats, since);
    const isNew = Object.values(stats.uploads).every((count) => count === 0);
    put(
      body,
      isNew
        ? empty({
            title: "No numbers yet",
            text: "After the first import you see here what moved, from where, and what reuse saved.",
            action: h("a.button.is-main", { href: route.link(["import"]) }, "Import something"),
          })
        : [
            heldTiles(stats.held),
            h(
              "div.figures",
              null,
              moved(columns),
              fromWhere(stats),
              saved(columns, stats.held),
              ended(columns),
              failures(stats),
            ),
          ],
    );
    body.setAttribute("aria-busy", "false");
  }

  function byStep(stats, since) {
    const [, , steps, step] = range;
    const columns = Array.from({ length: steps }, (_, nth) => ({
      at: new Date(since.getTime() + nth * step * 1000),
      moved: 0,
      reused: 0,
      finished: 0,
      failed: 0,
    }));
    for (const one of stats.steps) {
      const nth = Math.floor((new Date(one.at) - since) / (step * 1000));
      const column = columns[nth];
      if (!column) continue;
      column.moved += one.bytesTransferred;
      column.reused += one.bytesReused;
      column.finished += one.finished;
      column.failed += one.failed;
    }
    for (const column of columns) column.name = step === HOUR ? format.hour(column.at) : format.day(column.at);
    return columns;
  }

  const stopWatching = state.watch((event) => {
    const isOver =
      event.type === "upload" &&
      event.was &&
      event.was !== event.entry.upload.status &&
      ["imported", "complete", "failed"].includes(event.entry.upload.status);
    if (isOver || event.type === "reset") soon();
  });
  let timer = null;
  function soon() {
    timer ??= setTimeout(() => {
      timer = null;
      load();
    }, 3000);
  }

  load();
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
          h("h1", null, "Numbers"),
          h("p.view-lead", null, `What ended, by ${range[3] === HOUR ? "hour" : "day"}; times are ${format.zone}`),
        ),
        tabs,
      ),
      body,
    ),
    leave: () => {
      abort.abort();
      stopWatching();
      clearTimeout(timer);
    },
  };
}

const total = (columns, name) => columns.reduce((sum, column) => sum + column[name], 0);

function figure({ title, answer, wide, legend, plot, table }) {
  return h(
    wide ? "figure.figure-card.is-wide" : "figure.figure-card",
    null,
    h("figcaption", null, h("h2", null, title), h("p.answer", null, answer)),
    plot,
    legend,
    table,
  );
}

function heldTiles(held) {
  const tile = (name, value, more) =>
    h("div.tile", null, h("dt", null, name), h("dd", null, value, more && h("small", null, more)));
  return h(
    "dl.tiles",
    null,
    tile("Models", format.number(held.models)),
    tile("Assets", format.number(held.assets)),
    tile("Files", format.number(held.files)),
    tile(
      "Stored",
      format.bytes(held.storedBytes),
      held.bytes > held.storedBytes ? `for ${format.bytes(held.bytes)} of files` : "every content once",
    ),
  );
}

function moved(columns) {
  const [came, reused] = [total(columns, "moved"), total(columns, "reused")];
  return figure({
    title: "How much moved, and when?",
    answer: [
      h("strong", null, format.bytes(came)),
      " came over the wire; ",
      h("strong", null, format.bytes(reused)),
      " did not have to",
    ],
    wide: true,
    plot: columnChart({
      columns: columns.map((one) => ({
        label: one.name,
        title: `${one.name}: ${format.bytes(one.moved)} moved, ${format.bytes(one.reused)} reused`,
        values: [one.moved, one.reused],
      })),
      series: [{ look: "a" }, { look: "b" }],
      unit: byteUnit(Math.max(...columns.map((one) => one.moved + one.reused))),
      shown: format.bytes,
      title: `Bytes by time: ${format.bytes(came)} moved, ${format.bytes(reused)} reused`,
    }),
    legend: h(
      "div.legend",
      { "aria-hidden": "true" },
      h("span", null, "moved"),
      h("span.is-held", null, "held already"),
    ),
    table: asTable(
      "Bytes by time",
      ["When", "Moved", "Held already"],
      columns.map((one) => [one.name, format.bytes(one.moved), format.bytes(one.reused)]),
    ),
  });
}

function fromWhere(stats) {
  const sums = new Map();
  for (const one of stats.steps) {
    const name = one.provider ? format.provider(one.provider) : "Not resolved";
    const sum = sums.get(name) ?? { bytes: 0, uploads: 0 };
    sum.bytes += one.bytesTransferred;
    sum.uploads += one.finished + one.failed;
    sums.set(name, sum);
  }
  const rows = [...sums].sort((a, b) => b[1].bytes - a[1].bytes);
  const [first] = rows;
  return figure({
    title: "Where does it come from?",
    answer: first ? ["Most from ", h("strong", null, first[0])] : "Nothing ended in this span",
    plot: barList(
      rows.map(([name, sum]) => ({ name, value: sum.bytes, text: format.bytes(sum.bytes) })),
      { label: "Bytes by provider" },
    ),
    table: asTable(
      "Bytes by provider",
      ["Provider", "Bytes", "Uploads"],
      rows.map(([name, sum]) => [name, format.bytes(sum.bytes), format.number(sum.uploads)]),
    ),
  });
}

function saved(columns, held) {
  const [came, reused] = [total(columns, "moved"), total(columns, "reused")];
  const all = came + reused;
  const share = all ? reused / all : 0;
  return figure({
    title: "What did reuse save?",
    answer: "Content that is held already is never fetched again",
    plot: [
      h(
        "p.big-figure",
        null,
        format.bytes(reused),
        " ",
        h("small", null, `${format.percent(reused, all)} of what was asked for`),
      ),
      h(
        "div.share-bar",
        { role: "img", "aria-label": `${format.percent(reused, all)} held already` },
        h("span.is-moved", { vars: { "--share": String(1 - share) } }),
        h("span.is-held", { vars: { "--share": String(share) } }),
      ),
      h(
        "p.answer",
        null,
        held.bytes > held.storedBytes
          ? ["On disk, sharing saves another ", h("strong", null, format.bytes(held.bytes - held.storedBytes)), "."]
          : "On disk every content stands once.",
      ),
    ],
    table: asTable(
      "Reuse",
      ["", "Bytes"],
      [
        ["Came over the wire", format.bytes(came)],
        ["Held already", format.bytes(reused)],
        ["Saved on disk by sharing", format.bytes(held.bytes - held.storedBytes)],
      ],
    ),
  });
}

function ended(columns) {
  const [good, bad] = [total(columns, "finished"), total(columns, "failed")];
  return figure({
    title: "How do imports end?",
    answer: [h("strong", null, format.number(good)), " well, ", h("strong", null, format.number(bad)), " failed"],
    plot: columnChart({
      columns: columns.map((one) => ({
        label: one.name,
        title: `${one.name}: ${one.finished} well, ${one.failed} failed`,
        values: [one.finished, one.failed],
      })),
      series: [{ look: "good" }, { look: "bad" }],
      unit: 1,
      shown: (value) => format.number(Math.round(value)),
      title: `Uploads by time: ${good} ended well, ${bad} failed`,
    }),
    legend: h(
      "div.legend",
      { "aria-hidden": "true" },
      h("span.is-good", null, "ended well"),
      h("span.is-bad", null, "failed"),
    ),
    table: asTable(
      "Uploads by time",
      ["When", "Ended well", "Failed"],
      columns.map((one) => [one.name, one.finished, one.failed]),
    ),
  });
}

function failures(stats) {
  const all = stats.failures.reduce((sum, one) => sum + one.count, 0);
  return figure({
    title: "Why do they fail?",
    answer: all
      ? [h("strong", null, format.count(all, "failure")), " in this span, by code"]
      : "Nothing failed in this span",
    plot:
      all > 0 &&
      barList(
        stats.failures.map((one) => ({
          name: h(
            "a",
            {
              href: route.link(["uploads"], { status: "failed", code: one.code }),
              title: `Last ${format.moment(one.lastAt)}`,
            },
            h("code", null, one.code),
          ),
          value: one.count,
          text: format.number(one.count),
        })),
        { tone: "bad", label: "Failures by code" },
      ),
    table:
      all > 0 &&
      asTable(
        "Failures by code",
        ["Code", "Failures", "Last"],
        stats.failures.map((one) => [one.code, format.number(one.count), format.moment(one.lastAt)]),
      ),
  });
}
