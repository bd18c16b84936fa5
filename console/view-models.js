// What imports made: models, and everything else.

import { get } from "./api.js";
import { empty } from "./dialogs.js";
import { h, put, say } from "./dom.js";
import { factLine } from "./files.js";
import * as format from "./format.js";
import { badge, icon } from "./icons.js";
import { ghosts, pagedList } from "./list.js";
import * as route from "./route.js";
import * as state from "./state.js";

const SORTS = [
  ["models", "Models"],
  ["assets", "Assets"],
];

export function modelsView(query) {
  let filters = read(query);
  const tabs = h(
    "div.tabs",
    { role: "group", "aria-label": "Sort" },
    SORTS.map(([value, title]) =>
      h(
        "button.tab",
        { type: "button", data: { value }, on: { click: () => refine({ sort: value === "models" ? "" : value }) } },
        h("span", null, title),
        h("span.tab-count"),
      ),
    ),
  );
  const search = h("input", {
    type: "search",
    "data-search": "",
    placeholder: "Search name or id",
    "aria-label": "Search models and assets",
  });
  const from = h(
    "select",
    { "aria-label": "Provider", on: { change: () => refine({ provider: from.value }) } },
    [
      ["", "Any provider"],
      ["huggingface", "Hugging Face"],
      ["civitai", "Civitai"],
      ["other", "Web"],
    ].map(([value, text]) => h("option", { value }, text)),
  );
  const list = pagedList({
    label: "Models and assets",
    columns: ["", "Name", "What its files say", "Files", "Size", "Imported"],
    load: async (token, signal) => {
      const sort = filters.sort ?? "models";
      const answer = await get(`v1/${sort}`, {
        query: { provider: filters.provider, text: filters.text, pageSize: 50, paginationToken: token },
        signal,
      });
      return { items: answer[sort], next: answer.nextPaginationToken };
    },
    row,
    blank,
  });

  function refine(change) {
    filters = read(new URLSearchParams({ ...filters, ...change }));
    route.refine(filters);
    showFilters();
    list.reload();
  }

  function showFilters() {
    for (const tab of tabs.children)
      tab.setAttribute("aria-pressed", String((filters.sort ?? "models") === tab.dataset.value));
    from.value = filters.provider ?? "";
    if (document.activeElement !== search) search.value = filters.text ?? "";
  }

  let typing = null;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => refine({ text: search.value.trim() }), 200);
  });

  function blank() {
    if (filters.text || filters.provider) {
      return empty({
        title: "Nothing matches",
        text: "Nothing that was imported has all of these properties.",
        action: h(
          "button.button",
          { type: "button", on: { click: () => refine({ text: "", provider: "" }) } },
          "Show all",
        ),
      });
    }
    const what = filters.sort === "assets" ? "assets" : "models";
    return empty({
      title: `No ${what} yet`,
      text: `What you import as ${what === "assets" ? "an asset" : "a model"} stands here, with every file, its hash and where it came from.`,
      action: h("a.button.is-main", { href: route.link(["import"]) }, "Import something"),
    });
  }

  async function countAll() {
    try {
      const { stats } = await get("v1/stats", { query: { fields: "held" } });
      say(tabs.children[0].lastChild, format.number(stats.held.models));
      say(tabs.children[1].lastChild, format.number(stats.held.assets));
    } catch {
      // The list says what is wrong; counts are an extra.
    }
  }

  const stopWatching = state.watch((event) => {
    if (event.type === "reset") list.reload();
    if (event.type === "upload" && event.was && event.was !== "imported" && event.entry.upload.status === "imported")
      countAll();
  });

  put(list.rows, ghosts(6));
  showFilters();
  return {
    element: h(
      "section.view",
      null,
      h(
        "header.view-head",
        null,
        h("div", null, h("h1", null, "Models"), h("p.view-lead", null, "What was imported, verified and registered")),
        h("a.button.is-main", { href: route.link(["import"]) }, icon("import"), "Import"),
      ),
      h("div.filters", null, tabs, h("div.filters-right", null, h("div.search", null, icon("search"), search), from)),
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
      clearTimeout(typing);
    },
  };
}

function read(query) {
  const kept = {};
  for (const name of ["sort", "provider", "text"]) {
    const value = query.get(name);
    if (value) kept[name] = value;
  }
  return kept;
}

function row(entity) {
  const reference = [
    format.provider(entity.provider),
    entity.reference,
    entity.revision && format.short(entity.revision, 10),
  ];
  return h(
    "li.row.model-row",
    null,
    h(
      "span.origin",
      { data: { provider: entity.provider ?? "" }, title: format.provider(entity.provider) },
      badge(entity.provider),
    ),
    h(
      "div.row-main",
      null,
      h("a.row-link", { href: route.link(["models", entity.id]) }, entity.name),
      h("span.row-detail", null, reference.filter(Boolean).join(" · ")),
    ),
    h("span.row-cell", null, factLine(entity.facts) || entity.kind),
    h("span.row-cell", null, format.count(entity.fileCount, "file")),
    h("span.row-cell", null, format.bytes(entity.size)),
    h(
      "time.row-time",
      { datetime: entity.createdAt, "data-ago": "", title: format.exact(entity.createdAt) },
      format.ago(entity.createdAt),
    ),
  );
}
