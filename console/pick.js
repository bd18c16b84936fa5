// Which files of a plan are wanted, and how the API is told.

import { h } from "./dom.js";

/** Globs that one request may carry. */
const MOST = 1000;
const WEIGHTS = /\.(safetensors|gguf|ggml|bin|pt|pth|ckpt|onnx|h5|msgpack|mlmodel|engine|npz|npy)$/i;

/** A path as a glob that matches it alone. */
export const literal = (path) => path.replace(/[*?[]/g, "[$&]").replace(/\/$/, "[/]");

/** Boxes for a plan's files, and the choice they make. */
export function picker(files) {
  const wanted = new Set(files.keys());
  const boxes = new Map();
  const listeners = [];
  const changed = () => {
    for (const [nth, box] of boxes) box.checked = wanted.has(nth);
    listeners.forEach((listener) => listener());
  };
  const take = (test) => {
    wanted.clear();
    files.forEach((file, nth) => test(file) && wanted.add(nth));
    changed();
  };
  const tool = (text, test) => h("button.chip-button", { type: "button", on: { click: () => take(test) } }, text);
  const hasWeights = files.some((file) => WEIGHTS.test(file.path));
  return {
    has: (nth) => wanted.has(nth),
    onChange: (listener) => listeners.push(listener),
    box(nth) {
      const box = h("input", { type: "checkbox", checked: true, "aria-label": `Import ${files[nth].path}` });
      box.addEventListener("change", () => {
        if (box.checked) wanted.add(nth);
        else wanted.delete(nth);
        changed();
      });
      boxes.set(nth, box);
      return box;
    },
    tools: h(
      "div.pick-tools",
      { role: "group", "aria-label": "Choose files" },
      tool("All", () => true),
      tool("None", () => false),
      hasWeights && tool("Weights only", (file) => WEIGHTS.test(file.path)),
      files.some((file) => file.path.endsWith(".safetensors")) &&
        tool("Safetensors and texts", (file) => !WEIGHTS.test(file.path) || file.path.endsWith(".safetensors")),
    ),
    choice: () => choice(files, wanted),
  };
}

/** The shorter of "these" and "all but these". */
export function choice(files, wanted) {
  if (wanted.size === files.length) return {};
  if (wanted.size === 0) return { problem: "Choose at least one file." };
  const paths = (test) => files.filter((_, nth) => test(nth)).map((file) => literal(file.path));
  const include = paths((nth) => wanted.has(nth));
  if (include.length <= MOST) return { include };
  const exclude = paths((nth) => !wanted.has(nth));
  if (exclude.length <= MOST) return { exclude };
  return { problem: `So many single files can't be named: choose at most ${MOST}, or all but ${MOST}.` };
}
