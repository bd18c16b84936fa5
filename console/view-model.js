// One model or asset: what it is, where it came from, its files, and how to use it.

import { address, get, send } from "./api.js";
import { command, copyButton, errorBox, note } from "./dialogs.js";
import { announce, h, put } from "./dom.js";
import { definitions, factList, filesTable, verified, vouched } from "./files.js";
import * as format from "./format.js";
import { badge, icon } from "./icons.js";
import * as route from "./route.js";

/** The most that passes through the page: a browser keeps it in memory or a file of its own. */
const MOST_IN_PAGE = 512 * 1024 * 1024;

const LAYOUTS = [
  ["files", "Plain files", "./models"],
  ["huggingface-cache", "Hugging Face cache", "~/.cache/huggingface/hub"],
  ["comfyui", "ComfyUI", "~/ComfyUI"],
];

export function modelView([id]) {
  const abort = new AbortController();
  const element = h("section.view", { "aria-busy": "true" });
  // An id says which of the two it is of.
  const sort = id.startsWith("asset_") ? "assets" : "models";

  async function load() {
    try {
      const answer = await get(`v1/${sort}/${encodeURIComponent(id)}`, { signal: abort.signal });
      show(answer[sort === "models" ? "model" : "asset"]);
    } catch (error) {
      if (error.name === "AbortError") return;
      put(
        element,
        crumb(),
        h("h1", null, "Model"),
        errorBox(error, h("button.button.is-small", { type: "button", on: { click: load } }, "Try again")),
      );
    }
  }

  function show(entity) {
    document.title = `${entity.name} · modelferry`;
    const { source } = entity;
    const size = entity.files.reduce((all, file) => all + file.size, 0);
    const facts = factList(entity.facts);
    put(
      element,
      h(
        "header.view-head",
        null,
        h(
          "div",
          null,
          crumb(),
          h(
            "div.title-line",
            null,
            h("span.origin.is-large", { data: { provider: source.provider } }, badge(source.provider)),
            h(
              "div.title-text",
              null,
              h("h1", null, entity.name),
              h(
                "p.view-lead",
                null,
                [entity.kind, format.count(entity.files.length, "file"), format.bytes(size)].join(" · "),
              ),
            ),
          ),
        ),
        h(
          "div.view-buttons",
          null,
          h(
            "a.button",
            { href: source.url, target: "_blank", rel: "noreferrer" },
            icon("open"),
            `On ${format.provider(source.provider)}`,
          ),
          h(
            "a.button",
            { href: route.link(["import"], { source: source.reference }) },
            icon("import"),
            "Look for a newer one",
          ),
        ),
      ),
      h(
        "div.cards",
        null,
        facts.length > 0 &&
          h(
            "section.panel",
            null,
            h(
              "div.panel-head",
              null,
              h("h2", null, "Facts"),
              h("span.panel-note", null, "What its files' headers say"),
            ),
            h("div.panel-body", null, definitions(facts)),
          ),
        provenance(entity),
      ),
      card(entity.card),
      h(
        "section.panel",
        null,
        h("div.panel-head", null, h("h2", null, "Files"), h("span.panel-note", null, format.bytes(size))),
        filesTable(entity.files, {
          label: "Files of this model",
          head: "Verified",
          last: (file) => [verified(file), vouched(file), download(file)],
        }),
      ),
      uses(entity),
    );
    element.setAttribute("aria-busy", "false");
  }

  function provenance(entity) {
    const { source } = entity;
    return h(
      "section.panel",
      null,
      h("div.panel-head", null, h("h2", null, "Provenance")),
      h(
        "div.panel-body",
        null,
        definitions([
          ["Source", h("a", { href: source.url, target: "_blank", rel: "noreferrer" }, source.reference)],
          [
            "Pinned revision",
            h("span.hash", null, format.short(source.revision, 24), copyButton(source.revision, "Copy the revision")),
          ],
          [
            "Imported",
            h(
              "time",
              { datetime: entity.importedAt, title: format.exact(entity.importedAt) },
              format.moment(entity.importedAt),
            ),
          ],
          ["By upload", h("a", { href: route.link(["uploads", entity.uploadId]) }, format.short(entity.uploadId, 20))],
          ["Entity", h("span.hash", null, format.short(entity.id, 20), copyButton(entity.id, "Copy the entity's id"))],
          ["For", entity.ownerId],
          ["Imported with", `modelferry ${entity.toolVersion}`],
        ]),
      ),
    );
  }

  function uses(entity) {
    const place = h("div");
    const pick = h(
      "select",
      { id: "layout", on: { change: showLayout } },
      LAYOUTS.map(([name, title]) => h("option", { value: name }, title)),
    );
    function showLayout() {
      const [name, , folder] = LAYOUTS.find(([one]) => one === pick.value);
      put(place, command(`modelferry export ${entity.id} --layout ${name} --to ${folder}`, "export command"));
    }
    showLayout();
    return h(
      "section.panel",
      null,
      h("div.panel-head", null, h("h2", null, "Use it")),
      h(
        "div.panel-body.stack",
        null,
        h(
          "div.field",
          null,
          h("label", { for: "layout" }, "Export for another tool, where the server runs"),
          pick,
          place,
        ),
        h(
          "div.field",
          null,
          h("span.label", null, "Its manifest, through the API"),
          command(`curl -u KEY:SECRET ${address(`v1/${sort}/${entity.id}`)}`, "API request for the manifest"),
        ),
        entity.files[0] &&
          h(
            "div.field",
            null,
            h("span.label", null, "A file, gone on with where it stopped"),
            command(
              `curl -u KEY:SECRET -L -C - -O ${address(`v1/${sort}/${entity.id}/files/${encodePath(entity.files[0].path)}`)}`,
              "download command",
            ),
          ),
        h(
          "div.field",
          null,
          h("span.label", null, "Read its stored bytes against their hashes"),
          command(`modelferry verify ${entity.id}`, "verify command"),
        ),
      ),
    );
  }

  /** Fetches a file with the tab's key and hands it to the browser; large ones are a command's work. */
  function download(file) {
    const isLarge = file.size > MOST_IN_PAGE;
    const title = isLarge ? `${file.path} is large: the command below downloads it` : `Download ${file.path}`;
    const button = h(
      "button.icon-button",
      { type: "button", title, "aria-label": title, disabled: isLarge },
      icon("down"),
    );
    button.addEventListener("click", async () => {
      button.disabled = true;
      announce(`Downloading ${file.path}`);
      try {
        const path = `v1/${sort}/${encodeURIComponent(id)}/files/${encodePath(file.path)}`;
        const answer = await send("GET", path, { signal: abort.signal, redirect: "manual" });
        const href = URL.createObjectURL(await answer.blob());
        h("a", { href, download: file.path.split("/").at(-1) }).click();
        setTimeout(() => URL.revokeObjectURL(href), 60_000);
      } catch (error) {
        if (error.name !== "AbortError") note(`${error.message} ${error.hint ?? ""}`, "bad");
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }

  load();
  return { element, leave: () => abort.abort() };
}

const crumb = () => h("a.crumb", { href: route.link(["models"]) }, icon("next"), "Models");
const encodePath = (path) => path.split("/").map(encodeURIComponent).join("/");

/** What the hub says of a model, in its own terms. All of it is text from elsewhere. */
function card(of) {
  if (!of || typeof of !== "object") return null;
  const text = (value) =>
    Array.isArray(value)
      ? value.filter((one) => typeof one === "string").join(", ")
      : typeof value === "string" || typeof value === "number"
        ? String(value)
        : null;
  const words = Array.isArray(of.trainedWords) ? of.trainedWords.filter((one) => typeof one === "string") : [];
  const tags = Array.isArray(of.tags) ? of.tags.filter((one) => typeof one === "string").slice(0, 40) : [];
  const pairs = [
    ["Model", text(of.modelName)],
    ["Version", text(of.versionName)],
    ["Creator", text(of.creator)],
    ["Type", text(of.type)],
    ["Base model", text(of.baseModel ?? of.base_model)],
    ["Task", text(of.pipeline_tag)],
    ["Library", text(of.library_name)],
    ["Licence", text(of.license_name ?? of.license)],
    ["Language", text(of.language)],
    ["AIR", text(of.air)],
    ["Published", of.publishedAt && !Number.isNaN(Date.parse(of.publishedAt)) ? format.moment(of.publishedAt) : null],
    ["Commercial use", text(of.allowCommercialUse)],
  ].filter(([, value]) => value);
  const prose = plain(of.description) || plain(of.modelDescription);
  if (!pairs.length && !words.length && !tags.length && !prose) return null;
  return h(
    "section.panel",
    null,
    h("div.panel-head", null, h("h2", null, "Card"), h("span.panel-note", null, "In the hub's own words")),
    h(
      "div.panel-body.stack",
      null,
      pairs.length > 0 && definitions(pairs),
      words.length > 0 &&
        h(
          "div.field",
          null,
          h("span.label", null, "Words it was trained on"),
          h(
            "div.words",
            null,
            words.map((word) => h("code.chip", null, word)),
          ),
        ),
      prose && h("p.prose", { tabindex: "0" }, prose),
      tags.length > 0 &&
        h(
          "div.field",
          null,
          h("span.label", null, "Tags"),
          h(
            "div.words",
            null,
            tags.map((tag) => h("span.chip", null, tag)),
          ),
        ),
    ),
  );
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", "#39": "'" };

/** A hub's HTML as plain text, by cutting: no parser of the browser ever sees it. */
function plain(html) {
  if (typeof html !== "string" || !html) return "";
  return html
    .replace(/<(script|style)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/<\/(p|div|li|h\d)\s*>|<br\s*\/?>/gi, "\n")
    .replace(/<\/?[a-z][^>]*>/gi, "")
    .replace(/&(#?\w{1,8});/g, (whole, name) => ENTITIES[name] ?? whole)
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}
