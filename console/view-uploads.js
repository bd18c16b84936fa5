// All uploads, live: filters in the address, rows that change in place.

import { get, post } from "./api.js";
import { ask, empty, note } from "./dialogs.js";
import { announce, h, put, say } from "./dom.js";
import * as format from "./format.js";
import { badge, icon } from "./icons.js";
import { ghosts, pagedList } from "./list.js";
import * as route from "./route.js";
import * as state from "./state.js";
import { crossing, status, updateCrossing, updateStatus, word } from "./walk.js";

const STATUSES = [
  ["", "All", null],
  ["pending,validating,validated", "Under way", ["pending", "validating", "validated"]],
  ["imported,complete", "Done", ["imported", "complete"]],
  ["failed", "Failed", ["failed"]],
];
const PAGE = 50;

export function uploadsView(query) {
  let filters = read(query);
  const shown = new Map();
  let fresh = 0;
  let newest = "";

  const tabs = h(
    "div.tabs",
    { role: "group", "aria-label": "Status" },
    STATUSES.map(([value, title]) =>
      h(
        "button.tab",
        { type: "button", data: { value }, on: { click: () => refine({ status: value }) } },
        h("span", null, title),
        h("span.tab-count"),
      ),
    ),
  );
  const search = h("input", {
    type: "search",
    "data-search": "",
    placeholder: "Search name, source or id",
    "aria-label": "Search uploads",
    value: filters.text ?? "",
  });
  const from = select(
    "Provider",
    [
      ["", "Any provider"],
      ["huggingface", "Hugging Face"],
      ["civitai", "Civitai"],
      ["other", "Web"],
    ],
    "provider",
  );
  const asked = select(
    "Source",
    [
      ["", "Asked for any way"],
      ["huggingface", "By Hugging Face name"],
      ["civitai", "By Civitai URL"],
      ["url", "By URL"],
      ["multipart", "In parts"],
    ],
    "source",
  );
  const codeChip = h("button.chip-button", { type: "button", hidden: true, on: { click: () => refine({ code: "" }) } });
  const pill = h("button.pill", { type: "button", on: { click: () => list.reload() } });
  const pillPlace = h("div.pill-place", { "aria-live": "polite" });

  const list = pagedList({
    label: "Uploads",
    columns: ["", "What", "Crossing", "Status", "Asked for", ""],
    load: async (token, signal) => {
      const asks = { ...filters, pageSize: PAGE, paginationToken: token };
      const answer = await get("v1/uploads", { query: asks, signal });
      if (token === undefined) {
        shown.clear();
        setFresh(0);
        newest = answer.uploads[0]?.id ?? "";
      }
      return { items: answer.uploads.map((upload) => state.learn(upload)), next: answer.nextPaginationToken };
    },
    row: (entry) => {
      const made = uploadRow(entry);
      shown.set(entry.upload.id, made);
      return made.element;
    },
    blank,
  });

  function select(label, options, name) {
    const box = h(
      "select",
      { "aria-label": label, on: { change: () => refine({ [name]: box.value }) } },
      options.map(([value, text]) => h("option", { value }, text)),
    );
    box.value = filters[name] ?? "";
    return box;
  }

  function refine(change) {
    filters = read(new URLSearchParams({ ...filters, ...change }));
    route.refine(filters);
    showFilters();
    list.reload();
  }

  function showFilters() {
    for (const tab of tabs.children)
      tab.setAttribute("aria-pressed", String((filters.status ?? "") === tab.dataset.value));
    [from.value, asked.value] = [filters.provider ?? "", filters.source ?? ""];
    if (document.activeElement !== search) search.value = filters.text ?? "";
    codeChip.hidden = !filters.code;
    put(codeChip, `Failed with ${filters.code}`, icon("cross"));
    codeChip.setAttribute("aria-label", `Failed with ${filters.code}: show all codes`);
  }

  let typing = null;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => refine({ text: search.value.trim() }), 200);
  });

  function blank() {
    if (Object.keys(filters).length) {
      return empty({
        title: "Nothing matches",
        text: "No upload has all of these properties.",
        action: h(
          "button.button",
          { type: "button", on: { click: () => refine({ status: "", provider: "", source: "", text: "", code: "" }) } },
          "Show all uploads",
        ),
      });
    }
    return empty({
      title: "Nothing imported yet",
      text: "Paste a link to a model; you see what would come before anything is moved.",
      action: h("a.button.is-main", { href: route.link(["import"]) }, "Import the first model"),
    });
  }

  /* ---- counts ---- */

  let counting = null;
  async function countAll() {
    try {
      const { stats } = await get("v1/stats", { query: { fields: "uploads" } });
      STATUSES.forEach(([, , words], nth) => {
        const of = words ?? Object.keys(stats.uploads);
        const sum = of.reduce((total, name) => total + (stats.uploads[name] ?? 0), 0);
        say(tabs.children[nth].lastChild, format.number(sum));
      });
    } catch {
      // The list says what is wrong; counts are an extra.
    }
  }

  function countSoon() {
    counting ??= setTimeout(() => {
      counting = null;
      countAll();
    }, 1500);
  }

  /* ---- what comes in live ---- */

  function setFresh(count) {
    fresh = count;
    if (count) say(pill, `${format.count(count, "new upload")}: show`);
    put(pillPlace, count ? pill : null);
  }

  const stopWatching = state.watch((event) => {
    if (event.type === "reset") return list.reload();
    if (event.type === "line") return undefined;
    const made = shown.get(event.entry.upload.id);
    if (made) {
      made.update(event.entry);
      if (event.type === "upload" && event.was && event.was !== event.entry.upload.status) {
        countSoon();
        announce(`${event.entry.upload.fileName}: ${word(event.entry)}`);
      }
      return undefined;
    }
    // What is not in sight is not pushed in: rows under a pointer don't move.
    if (event.type === "upload" && event.isNew && event.entry.upload.id > newest) {
      newest = event.entry.upload.id;
      if (fits(event.entry.upload)) setFresh(fresh + 1);
      countSoon();
    }
    return undefined;
  });

  /** Whether the list would show it, as far as the record tells; ids count up with time. */
  function fits(upload) {
    const { status, provider, source, text, code } = filters;
    const isOther = provider && upload.provider && upload.provider !== provider;
    return (
      !text &&
      !code &&
      !isOther &&
      (!source || upload.source === source) &&
      (!status || status.split(",").includes(upload.status))
    );
  }

  const pulse = setInterval(() => {
    for (const made of shown.values()) made.tick();
  }, 1000);

  put(list.rows, ghosts(8));
  showFilters();
  return {
    element: h(
      "section.view",
      null,
      h(
        "header.view-head",
        null,
        h("div", null, h("h1", null, "Uploads"), h("p.view-lead", null, "Every import, from its hub to your storage")),
        h("a.button.is-main", { href: route.link(["import"]) }, icon("import"), "Import"),
      ),
      h(
        "div.filters",
        null,
        tabs,
        h("div.filters-right", null, h("div.search", null, icon("search"), search), from, asked),
      ),
      h("div.filter-line", null, codeChip, pillPlace),
      list.element,
    ),
    shown: () => {
      list.reload();
      countAll();
    },
    changed: (next) => {
      filters = read(next);
      showFilters();
      list.reload();
    },
    leave: () => {
      stopWatching();
      list.stop();
      clearInterval(pulse);
      clearTimeout(typing);
      clearTimeout(counting);
    },
  };
}

function read(query) {
  const kept = {};
  for (const name of ["status", "provider", "source", "text", "code"]) {
    const value = query.get(name);
    if (value) kept[name] = value;
  }
  return kept;
}

/** One row, and how it changes. */
function uploadRow(entry) {
  let now = entry;
  const { upload } = entry;
  const name = h("a.row-link", { href: route.link(["uploads", upload.id]) });
  const detail = h("span.row-detail");
  const way = crossing(entry);
  const state_ = status(entry);
  const origin = h("span.origin");
  const button = h("button.icon-button.row-action", { type: "button", on: { click: () => act(now) } });
  const element = h(
    "li.row.upload-row",
    { data: { id: upload.id } },
    origin,
    h("div.row-main", null, name, detail),
    way,
    state_,
    h(
      "time.row-time",
      { datetime: upload.createdAt, "data-ago": "", title: format.exact(upload.createdAt) },
      format.ago(upload.createdAt),
    ),
    button,
  );
  function update(next) {
    now = next;
    const action = actionOf(next.upload);
    button.classList.toggle("is-none", !action);
    button.disabled = !action;
    if (action && button.dataset.action !== action) {
      button.dataset.action = action;
      put(button, icon(action === "retry" ? "retry" : "cross"));
    }
    if (action) {
      button.title = action === "retry" ? `Try ${next.upload.fileName} again` : `Cancel ${next.upload.fileName}`;
      button.setAttribute("aria-label", button.title);
    }
    const { provider, source, fileName, errorMessage, url, kind } = next.upload;
    const word_ = provider ?? source;
    say(origin, badge(word_));
    origin.title = format.provider(word_);
    origin.dataset.provider = word_;
    say(name, fileName);
    say(
      detail,
      errorMessage
        ? errorMessage.replace(/ \[[a-z_]+\]$/, "")
        : [format.provider(word_), kind, url].filter(Boolean).join(" · "),
    );
    detail.title = next.error?.hint ?? "";
    detail.classList.toggle("is-error", Boolean(errorMessage));
    updateStatus(state_, next);
    updateCrossing(way, next);
  }
  update(entry);
  return {
    element,
    update,
    tick: () => {
      if (now.samples.length) updateCrossing(way, now);
    },
  };
}

function actionOf({ status }) {
  if (status === "failed") return "retry";
  return ["pending", "validating", "validated"].includes(status) ? "cancel" : null;
}

async function act({ upload }) {
  const action = actionOf(upload);
  if (!action) return;
  const text = `${upload.fileName} stops here. You can start it again later; files that arrived whole stay.`;
  if (
    action === "cancel" &&
    !(await ask({ title: "Cancel this upload?", text, yes: "Cancel the upload", danger: true }))
  )
    return;
  try {
    const answer = await post(`v1/uploads/${encodeURIComponent(upload.id)}/action`, { action });
    state.learn(answer.upload);
    announce(action === "retry" ? "Started again" : "Cancelled");
  } catch (error) {
    note(`${error.message} ${error.hint ?? ""}`, "bad");
  }
}
