// Line icons, drawn on a grid of 20.

import { s } from "./dom.js";

const SHAPES = {
  import: ["M10 3v9", "M6.5 8.8 10 12.3l3.5-3.5", "M3.5 14.5v1A1.5 1.5 0 0 0 5 17h10a1.5 1.5 0 0 0 1.5-1.5v-1"],
  uploads: ["M4 5.5h12", "M4 10h8", "M4 14.5h5", "M14 12v5", "M12 15l2 2 2-2"],
  models: ["M10 2.8 16.5 6.4v7.2L10 17.2 3.5 13.6V6.4z", "M3.6 6.5 10 10l6.4-3.5", "M10 10v7"],
  syncs: [
    "M16.2 8.2A6.5 6.5 0 0 0 4.6 6.4L3.5 8",
    "M3.5 4.2V8h3.8",
    "M3.8 11.8a6.5 6.5 0 0 0 11.6 1.8l1.1-1.6",
    "M16.5 15.8V12h-3.8",
  ],
  numbers: ["M3.5 16.5h13", "M6 13.5V9", "M10 13.5V4", "M14 13.5V7"],
  sun: [
    "M10 6.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4z",
    "M10 2.5v1.2",
    "M10 16.3v1.2",
    "M2.5 10h1.2",
    "M16.3 10h1.2",
    "M4.7 4.7l.8.8",
    "M14.5 14.5l.8.8",
    "M4.7 15.3l.8-.8",
    "M14.5 5.5l.8-.8",
  ],
  moon: ["M16 11.7A6.3 6.3 0 0 1 8.3 4 6.5 6.5 0 1 0 16 11.7z"],
  auto: ["M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "M10 3.5v13", "M10 6.5h4.4", "M10 9.9h6.4", "M10 13.4h4.6"],
  keys: [
    "M3 6.5A1.5 1.5 0 0 1 4.5 5h11A1.5 1.5 0 0 1 17 6.500v7A1.5 1.5 0 0 1 15.5 15h-11A1.5 1.5 0 0 1 3 13.500z",
    "M6 8.500h.01",
    "M10 8.500h.01",
    "M14 8.500h.01",
    "M7 12h6",
  ],
  out: [
    "M12 6V4.500A1.5 1.5 0 0 0 10.5 3h-5A1.5 1.5 0 0 0 4 4.500v11A1.5 1.5 0 0 0 5.5 17h5a1.5 1.5 0 0 0 1.5-1.500V14",
    "M8.5 10H17",
    "M14 7l3 3-3 3",
  ],
  copy: [
    "M7.5 7V4.500A1 1 0 0 1 8.5 3.500h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H13",
    "M4.5 7.500h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1z",
  ],
  check: ["M4.5 10.500l3.5 3.5 7.5-8"],
  cross: ["M5.5 5.500l9 9", "M14.5 5.500l-9 9"],
  warn: ["M10 3.5 17.5 16.500h-15z", "M10 8.500v3.5", "M10 14.300v.1"],
  retry: ["M15.8 8A6.3 6.3 0 1 0 16.2 11.5", "M16.3 4v4.200h-4.2"],
  search: ["M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4z", "M12.7 12.7 16.5 16.5"],
  down: ["M10 3.500v9", "M6.5 9 10 12.5 13.5 9", "M4 16.500h12"],
  open: [
    "M8 5H5.500A1.5 1.5 0 0 0 4 6.500v8A1.5 1.5 0 0 0 5.5 16h8a1.5 1.5 0 0 0 1.5-1.500V12",
    "M11 4h5v5",
    "M16 4l-7 7",
  ],
  next: ["M7.5 4.5 13 10l-5.5 5.5"],
  pause: ["M7 5v10", "M13 5v10"],
  play: ["M6.5 4.500v11l9-5.500z"],
};

/** An icon beside a text that says the same; alone it needs a label of its own. */
export function icon(name) {
  const shapes = (SHAPES[name] ?? []).map((d) => s("path", { d }));
  return s("svg.icon", { viewBox: "0 0 20 20", "aria-hidden": "true" }, shapes);
}

/** Where something comes from, as a badge of two letters. */
const BADGES = { huggingface: "HF", civitai: "CV", other: "WEB", url: "WEB", multipart: "PUT" };

export const badge = (provider) => BADGES[provider] ?? "?";

/** The program's mark. */
export function mark() {
  return s(
    "svg.mark",
    { viewBox: "0 0 32 32", "aria-hidden": "true" },
    s("rect.mark-back", { width: 32, height: 32, rx: 8 }),
    s("path.mark-hull", { d: "M6 17.5h20l-2.6 5.200a2 2 0 0 1-1.8 1.100H10.400a2 2 0 0 1-1.8-1.100z" }),
    s("path.mark-deck", { d: "M11 15v-4.500h7.500L22 15z" }),
    s("path.mark-hull", { d: "M14 10.500V7h2.600v3.500z" }),
  );
}
