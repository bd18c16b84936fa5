// The files of an upload, a plan or a model, as a table.

import { copyButton } from "./dialogs.js";
import { h } from "./dom.js";
import * as format from "./format.js";
import { icon } from "./icons.js";

const VERIFIED = {
  sha256: ["SHA-256", "Held against the SHA-256 that the hub or you stated"],
  "git-sha1": ["git id", "Held against the hub's git blob id"],
  "digest-header": ["digest header", "Held against a digest header of the server"],
  length: ["length", "Nothing but its exact length was known"],
};

/** A hash in short, to compare and to copy. */
export function hash(file) {
  const text = file.sha256 ?? file.gitSha1;
  if (!text) return h("span.hash", null, "no hash stated");
  const sort = file.sha256 ? "SHA-256" : "git id";
  return h(
    "span.hash",
    { title: `${sort} ${text}` },
    `${file.sha256 ? "" : "git "}${format.short(text, 10)}`,
    copyButton(text, `Copy ${sort} of ${file.path ?? "the file"}`),
  );
}

/** Who else states a file's hash, and when its content came, where the manifest tells. */
export function vouched(file) {
  const { stated, storedAt, source } = file.provenance ?? {};
  const who = [...new Set((stated ?? []).map((one) => `${one.algorithm} by the ${one.by}`))].join(", ");
  if (!who && !storedAt) return null;
  const text = [who && `states ${who}`, storedAt && `stored ${format.moment(storedAt)}`].filter(Boolean).join("; ");
  return h("span.muted", { title: source ?? "" }, text);
}

/** What a file was held against. */
export function verified(file) {
  const [text, title] = VERIFIED[file.verification] ?? [];
  if (!text) return null;
  const tone = file.verification === "length" ? "warn" : "good";
  return h("span.chip", { data: { tone }, title }, tone === "good" ? icon("check") : icon("warn"), text);
}

/** Where one file of an upload stands. */
export function fileState(file, isOver, isMoving = false) {
  if (file.status === "stored") {
    return [
      verified(file) ?? h("span.chip", { data: { tone: "good" } }, icon("check"), "stored"),
      file.reused &&
        h("span.chip", { title: "The storage already held this content; nothing was fetched" }, "held already"),
      file.repaired &&
        h("span.chip", { data: { tone: "warn" }, title: "A first, damaged transfer was made good" }, "repaired"),
    ];
  }
  if (file.status === "refused")
    return h(
      "span.chip",
      { data: { tone: "warn" }, title: file.reason ?? "" },
      icon("warn"),
      `refused: ${file.errorCode ?? "by the gate"}`,
    );
  if (file.status === "failed")
    return h("span.chip", { data: { tone: "bad" } }, icon("cross"), file.errorCode ?? "failed");
  return h("span.chip", null, isOver ? "not transferred" : isMoving ? "on its way" : "waiting");
}

/** Files in rows; `last` makes what stands at the end of each. */
export function filesTable(files, { label, head, last, lead }) {
  return h(
    "div.table-wrap",
    { role: "region", "aria-label": label, tabindex: "0" },
    h(
      "table.files",
      null,
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          lead && h("th", null, h("span.unseen", null, lead.head)),
          h("th", { scope: "col" }, "File"),
          h("th.num", { scope: "col" }, "Size"),
          h("th", { scope: "col" }, "Hash"),
          h("th", { scope: "col" }, head),
        ),
      ),
      h(
        "tbody",
        null,
        files.map((file, nth) =>
          h(
            "tr",
            { data: { path: file.path } },
            lead && h("td", null, lead.cell(file, nth)),
            h("td.path", null, file.path),
            h("td.num", null, format.bytes(file.size)),
            h("td", null, hash(file)),
            h("td.file-state", null, last(file, nth)),
          ),
        ),
      ),
    ),
  );
}

/** What headers say of a model, in words. */
export function factList(facts = {}) {
  const dtypes = Object.entries(facts.dtypes ?? {}).sort((a, b) => b[1] - a[1]);
  const all = [
    ["Type", facts.modelType],
    ["Architecture", facts.architecture],
    ["Base model", facts.baseModel],
    ["Parameters", facts.parameters && `${format.compact(facts.parameters)} (${format.number(facts.parameters)})`],
    ["Tensors", facts.tensors && format.number(facts.tensors)],
    ["Number types", dtypes.length ? dtypes.map(([name]) => name).join(", ") : null],
    ["Quantisation", facts.quantization],
    ["LoRA rank", facts.rank],
    ["Context", facts.contextLength && `${format.number(facts.contextLength)} tokens`],
    ["Picture", facts.width && facts.height && `${facts.width} × ${facts.height}`],
    ["Licence", facts.license],
  ];
  return all.filter(([, value]) => value !== undefined && value !== null && value !== 0);
}

/** The same on one line. */
export function factLine(facts = {}) {
  return [
    facts.modelType,
    facts.architecture,
    facts.parameters && `${format.compact(facts.parameters)} parameters`,
    Object.keys(facts.dtypes ?? {}).join(" "),
    facts.quantization,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Names with values. */
export function definitions(pairs) {
  return h(
    "dl.facts",
    null,
    pairs
      .filter(([, value]) => value !== undefined && value !== null && value !== "")
      .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))),
  );
}
