// Source texts: read from a field, and what the server says they mean.

import { h } from "./dom.js";
import * as format from "./format.js";
import { badge } from "./icons.js";

/** The sources in a text, one a line; comments and repeats are left out. */
export const lines = (text) => [
  ...new Set(
    text
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line && !line.startsWith("#")),
  ),
];

/** What a source is, in words. */
export function describe({ sort, name, revision: at, path }) {
  const what =
    {
      model: "model",
      dataset: "dataset",
      space: "space",
      version: "model version",
      hash: "file by its hash",
      file: "file",
    }[sort] ?? sort;
  return [
    what,
    " ",
    name && h("code", null, name),
    at && [" at ", h("code", null, at)],
    path && [", ", h("code", null, path)],
  ];
}

/** A source of a list; its `outcome` is where the row says what became of it. */
export function manyRow(source) {
  source.outcome = h("span.status");
  return h(
    "div.many-row",
    null,
    h("span.origin", { data: { provider: source.provider ?? "" } }, source.provider ? badge(source.provider) : "?"),
    h(
      "div.row-main",
      null,
      h("code.many-text", null, source.text),
      h(
        source.error ? "p.is-error" : "p",
        null,
        source.error
          ? `${source.error.message}${source.error.hint ? `; ${source.error.hint}` : ""}`
          : [format.provider(source.provider), " ", describe(source)],
      ),
    ),
    source.outcome,
  );
}
