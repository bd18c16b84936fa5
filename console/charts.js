// Plots by hand: axes with units, direct labels, patterns beside colours, and
// the same figures as a table.

import { freshId, h, put, s } from "./dom.js";

/** Round steps for an axis that ends at or above `most`. */
export function ticks(most, unit = 1) {
  if (most <= 0) return [0, unit];
  const raw = most / 4;
  const power = 10 ** Math.floor(Math.log10(raw / unit)) * unit;
  const step = [1, 2, 2.5, 5, 10].map((by) => by * power).find((one) => one >= raw) ?? raw;
  const whole = unit === 1 ? Math.max(1, Math.ceil(step)) : step;
  const count = Math.ceil(most / whole);
  return Array.from({ length: count + 1 }, (_, nth) => nth * whole);
}

/** The binary unit that suits a number of bytes. */
export function byteUnit(most) {
  let unit = 1;
  while (most / unit >= 1000) unit *= 1024;
  return unit;
}

/**
 * Stacked columns over time. `columns` are `{ label, title, values: [a, b] }`;
 * `series` name the parts and their look: `a` plain, `b` hatched, `good`, `bad`.
 */
export function columnChart(of) {
  const frame = h("div.chart-frame");
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width === drawn || width < 50) return;
    drawn = width;
    put(frame, drawColumns(of, width));
  }).observe(frame);
  return frame;
}

/** Drawn in pixels of the place it has, so that its texts keep their size. */
function drawColumns({ columns, series, unit, shown, title }, width) {
  const [height, left, bottom, top] = [220, 64, 26, 16];
  const most = Math.max(...columns.map((one) => one.values.reduce((sum, value) => sum + value, 0)), 0);
  const marks = ticks(most, unit);
  const end = marks.at(-1);
  const y = (value) => height - bottom - (value / end) * (height - bottom - top);
  const slot = (width - left) / columns.length;
  const bar = Math.max(2, Math.min(slot * 0.72, 28));
  const id = freshId("hatch");
  const every = Math.ceil(columns.length / Math.max(1, Math.floor((width - left) / 64)));
  return s(
    "svg.chart",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title },
    s(
      "defs",
      null,
      s(
        "pattern",
        { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        s("line.hatch", { x1: 1, y1: 0, x2: 1, y2: 6 }),
      ),
      s(
        "pattern",
        { id: `${id}-dots`, width: 5, height: 5, patternUnits: "userSpaceOnUse" },
        s("circle.hatch-bad", { cx: 2, cy: 2, r: 1.3 }),
      ),
    ),
    marks.map((value) => [
      s(value === 0 ? "line.grid.base" : "line.grid", { x1: left, x2: width, y1: y(value), y2: y(value) }),
      s("text", { x: left - 10, y: y(value) + 4, "text-anchor": "end" }, shown(value)),
    ]),
    columns.map((one, nth) => {
      const x = left + nth * slot + (slot - bar) / 2;
      let from = 0;
      const parts = one.values.map((value, which) => {
        if (!value) return null;
        const rect = { x, width: bar, y: y(from + value), height: Math.max(1, y(from) - y(from + value)) };
        from += value;
        const look = series[which].look;
        const fill = look === "b" ? `url(#${id})` : look === "bad" ? `url(#${id}-dots)` : null;
        return s(`rect.${look}`, { ...rect, ...(fill && { fill }) });
      });
      return [
        parts,
        s(
          "rect.hit",
          { x: left + nth * slot, width: slot, y: top, height: height - top - bottom },
          s("title", null, one.title),
        ),
        nth % every === 0 &&
          s("text", { x: left + nth * slot + slot / 2, y: height - 8, "text-anchor": "middle" }, one.label),
      ];
    }),
    peak(columns, most, { left, slot, y, shown, width }),
  );
}

/** The highest column carries its value. */
function peak(columns, most, { left, slot, y, shown, width }) {
  if (most <= 0) return null;
  const at = columns.findIndex((one) => one.values.reduce((sum, value) => sum + value, 0) === most);
  const x = Math.min(Math.max(left + at * slot + slot / 2, left + 30), width - 30);
  return s("text.strong", { x, y: Math.max(10, y(most) - 5), "text-anchor": "middle" }, shown(most));
}

/** Bars with their values beside them. `rows` are `{ name, value, text }`. */
export function barList(rows, { tone, label }) {
  const most = Math.max(...rows.map((row) => row.value), 1);
  return h(
    "div.hbars",
    { role: "list", "aria-label": label },
    rows.map((row) => [
      h("span", { role: "listitem" }, row.name, h("span.unseen", null, `: ${row.text}`)),
      h(tone === "bad" ? "span.bar.is-bad" : "span.bar", {
        vars: { "--share": String(row.value / most) },
        "aria-hidden": "true",
      }),
      h("span.value", { "aria-hidden": "true" }, row.text),
    ]),
  );
}

/** The same figures as a table, for whoever reads rather than looks. */
export function asTable(caption, head, rows) {
  return h(
    "details.as-table",
    null,
    h("summary", null, "As a table"),
    h(
      "div.table-wrap",
      { tabindex: "0", role: "region", "aria-label": caption },
      h(
        "table",
        null,
        h("caption.unseen", null, caption),
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            head.map((text, nth) => h(nth ? "th.num" : "th", { scope: "col" }, text)),
          ),
        ),
        h(
          "tbody",
          null,
          rows.map((row) =>
            h(
              "tr",
              null,
              row.map((cell, nth) => (nth ? h("td.num", null, cell) : h("th", { scope: "row" }, cell))),
            ),
          ),
        ),
      ),
    ),
  );
}
