// Importing: one field for any source, then the plan, then the start.

import { get, post } from "./api.js";
import { errorBox, note } from "./dialogs.js";
import { announce, h, put } from "./dom.js";
import * as format from "./format.js";
import { icon } from "./icons.js";
import { kindField } from "./kind.js";
import { planPanel } from "./plan.js";
import * as route from "./route.js";
import { describe, lines, manyRow } from "./sources.js";
import * as state from "./state.js";

const EXAMPLES = ["openai-community/gpt2", "civitai:4384@128713", "https://example.com/model.safetensors"];
/** Requests at once when a list is started. */
const SIDE_BY_SIDE = 4;

export function importView(query) {
  const abort = new AbortController();
  let sources = [];
  let choice = {};
  let typing = null;
  let asked = 0;

  const field = h("textarea", {
    id: "source",
    rows: "1",
    "data-search": "",
    spellcheck: "false",
    autocapitalize: "off",
    "aria-describedby": "known",
    placeholder: "org/name, a model's page, or any link to a file",
  });
  const known = h("div.known", { id: "known", "aria-live": "polite" });
  const options = h("div");
  const result = h("div.stack.result");
  const kind = kindField();
  const revision = h("input", { id: "revision", placeholder: "main", spellcheck: "false", autocapitalize: "off" });
  const register = h("input", { type: "checkbox", checked: true });
  const show = h("button.button.is-main", { disabled: true }, "Show the plan");
  const form = h(
    "form.stack",
    {
      on: {
        submit: (event) => {
          event.preventDefault();
          go();
        },
      },
    },
    h(
      "div.import-field",
      null,
      h("label.import-label", { for: "source" }, "Source, or a list of them: one a line"),
      field,
      known,
    ),
    options,
  );

  field.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(recognise, 140);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (field.value.includes("\n") && !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    clearTimeout(typing);
    recognise().then(go);
  });

  /** Says what is meant, while it is typed. */
  async function recognise() {
    const texts = lines(field.value);
    asked += 1;
    const mine = asked;
    put(result);
    choice = {};
    route.refine(texts.length === 1 ? { source: texts[0] } : {});
    if (!texts.length) {
      sources = [];
      return idle();
    }
    try {
      const answer =
        texts.length === 1
          ? { sources: [(await get("v1/sources", { query: { text: texts[0] }, signal: abort.signal })).source] }
          : await post("v1/sources", { texts: texts.slice(0, 1000) }, { signal: abort.signal });
      if (mine !== asked) return undefined;
      sources = texts.slice(0, answer.sources.length).map((text, nth) => ({ text, ...answer.sources[nth] }));
    } catch (error) {
      if (error.name !== "AbortError" && mine === asked) put(known, errorBox(error));
      return undefined;
    }
    return texts.length === 1 ? showOne(sources[0]) : showMany(texts.length);
  }

  function idle() {
    known.dataset.tone = "quiet";
    put(
      known,
      h(
        "div.examples",
        null,
        h("span", null, "Try"),
        EXAMPLES.map((text) =>
          h(
            "button.chip-button",
            {
              type: "button",
              on: {
                click: () => {
                  field.value = text;
                  field.focus();
                  recognise();
                },
              },
            },
            text,
          ),
        ),
      ),
    );
    put(options);
  }

  function showOne(source) {
    if (source.error) {
      known.dataset.tone = "bad";
      put(
        known,
        icon("warn"),
        h("div", null, h("p", null, source.error.message), source.error.hint && h("p", null, source.error.hint)),
      );
      put(options);
      return;
    }
    known.dataset.tone = "good";
    put(
      known,
      icon("check"),
      h(
        "div",
        null,
        h("p", null, h("strong", null, format.provider(source.provider)), " ", describe(source)),
        source.host && h("p", null, `from ${source.host}`),
      ),
    );
    kind.setNeeded(source.needsKind);
    revision.disabled = Boolean(source.revision);
    show.textContent = "Show the plan";
    show.disabled = false;
    put(
      options,
      h(
        "div.options",
        null,
        kind.element,
        source.provider === "huggingface" &&
          !source.revision &&
          h("div.field", null, h("label", { for: "revision" }, "Revision"), revision),
        h("label.check", null, register, "Register as an entity"),
        show,
      ),
    );
  }

  /* ---- one source ---- */

  async function go() {
    if (!sources.length) return field.focus();
    if (sources.length > 1) return startMany();
    if (sources[0].error) return field.focus();
    if (kind.isMissing()) return kind.complain();
    return showPlan(sources[0]);
  }

  function body(source, chosen = {}) {
    const config = { ...chosen };
    if (revision.value.trim() && !source.revision && source.provider === "huggingface")
      config.revision = revision.value.trim();
    if (!register.checked) config.register = false;
    const asks = { [source.field]: source.text };
    if (kind.value()) asks.kind = kind.value();
    if (Object.keys(config).length) asks.config = config;
    return asks;
  }

  async function showPlan(source) {
    show.disabled = true;
    put(
      result,
      h(
        "div.panel.progressing",
        null,
        h("span.spinner", { "aria-hidden": "true" }),
        `Asking ${format.provider(source.provider)} what it holds …`,
      ),
    );
    announce("Resolving");
    const mine = asked;
    try {
      const plan = await post("v1/uploads", body(source), { query: { dryRun: "true" }, signal: abort.signal });
      if (mine !== asked) return;
      const start = h("button.button.is-main", { type: "button" }, icon("import"), "Import");
      const summary = h("p");
      const panel = planPanel(plan, (next) => {
        choice = next;
        start.disabled = Boolean(next.problem);
        put(
          summary,
          next.problem ?? [
            h("strong", null, format.count(next.files, "file")),
            ", ",
            h("strong", null, format.bytes(next.bytes)),
            " to move",
          ],
        );
      });
      start.addEventListener("click", () => startOne(source, start));
      put(result, panel, h("div.start-bar", null, summary, start));
      announce(`The plan has ${format.count(plan.artifacts.length, "file")}`);
      start.focus({ preventScroll: true });
    } catch (error) {
      if (error.name === "AbortError" || mine !== asked) return;
      put(
        result,
        errorBox(
          error,
          h("button.button.is-small", { type: "button", on: { click: () => showPlan(source) } }, "Try again"),
        ),
      );
      announce(error.message);
    } finally {
      show.disabled = false;
    }
  }

  async function startOne(source, button) {
    button.disabled = true;
    const { include, exclude } = choice;
    try {
      const answer = await post(
        "v1/uploads",
        body(source, { ...(include && { include }), ...(exclude && { exclude }) }),
        { headers: { "idempotency-key": crypto.randomUUID?.() ?? String(Math.random()) } },
      );
      state.learn(answer.upload);
      route.go(["uploads", answer.upload.id]);
    } catch (error) {
      button.disabled = false;
      note(`${error.message} ${error.hint ?? ""}`, "bad");
    }
  }

  /* ---- a list ---- */

  function showMany(count) {
    const good = sources.filter((source) => !source.error);
    const bad = sources.length - good.length;
    known.dataset.tone = bad ? "bad" : "good";
    const cut = count > sources.length ? ` Only the first ${format.number(sources.length)} are read.` : "";
    put(
      known,
      icon(bad ? "warn" : "check"),
      h(
        "p",
        null,
        `${format.count(sources.length, "source")}, ${bad ? `${format.number(bad)} of which can't be imported` : "all understood"}.${cut}`,
      ),
    );
    kind.setNeeded(good.some((source) => source.needsKind));
    show.textContent = `Import ${format.count(good.length, "source")}`;
    show.disabled = good.length === 0;
    put(options, h("div.options", null, kind.element, h("label.check", null, register, "Register as entities"), show));
    put(
      result,
      h(
        "section.panel",
        null,
        h("div.panel-head", null, h("h2", null, "Sources")),
        h("div", null, sources.map(manyRow)),
      ),
    );
  }

  async function startMany() {
    if (kind.isMissing()) return kind.complain();
    const queue = sources.filter((source) => !source.error && !source.isStarted);
    show.disabled = true;
    let done = 0;
    const work = async () => {
      for (let source = queue.shift(); source; source = queue.shift()) {
        try {
          const answer = await post("v1/uploads", body(source), { signal: abort.signal });
          source.isStarted = true;
          state.learn(answer.upload);
          done += 1;
          source.outcome.dataset.tone = "good";
          put(source.outcome, icon("check"), h("a", { href: route.link(["uploads", answer.upload.id]) }, "started"));
        } catch (error) {
          if (error.name === "AbortError") return;
          source.outcome.dataset.tone = "bad";
          source.outcome.title = `${error.message} ${error.hint ?? ""}`;
          put(source.outcome, icon("cross"), error.code);
        }
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    note(`${format.count(done, "import")} started.`);
    const left = sources.filter((source) => !source.error && !source.isStarted).length;
    show.textContent = left ? `Try ${format.count(left, "source")} again` : "All started";
    show.disabled = left === 0;
    if (done)
      put(
        known,
        icon("check"),
        h(
          "p",
          null,
          `${format.count(done, "import")} started. `,
          h("a", { href: route.link(["uploads"]) }, "Watch them"),
        ),
      );
    return undefined;
  }

  /** The source that a link to this view names. */
  function take(from) {
    field.value = from.get("source") ?? "";
    recognise();
  }

  idle();
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
          h("h1", null, "Import"),
          h(
            "p.view-lead",
            null,
            "From Hugging Face, Civitai or any URL. You see what would come before a byte is moved.",
          ),
        ),
      ),
      form,
      result,
    ),
    shown: () => {
      take(query);
      field.focus({ preventScroll: true });
    },
    changed: take,
    leave: () => {
      abort.abort();
      clearTimeout(typing);
    },
  };
}
