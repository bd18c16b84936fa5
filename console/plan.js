// What an import would do: the plan, and which of its files are wanted.

import { copyButton } from "./dialogs.js";
import { h, put, say } from "./dom.js";
import { factLine, filesTable } from "./files.js";
import * as format from "./format.js";
import { badge, icon } from "./icons.js";
import { picker } from "./pick.js";

/** Shows a plan. `onChoice` hears which files are wanted: `{ include, exclude, files, bytes, problem }`. */
export function planPanel(plan, onChoice) {
  const total = h("small");
  const pick = picker(plan.artifacts);
  const counts = { files: h("dd"), total: h("dd"), held: h("dd"), moved: h("dd") };
  const share = h("div.share-bar", { role: "img" }, h("span.is-moved"), h("span.is-held"));
  const table = filesTable(plan.artifacts, {
    label: "Files of the plan",
    head: "Found",
    lead: plan.artifacts.length > 1 ? { head: "Wanted", cell: (file, nth) => pick.box(nth) } : null,
    last: (file) => notes(file),
  });
  const rows = [...table.querySelectorAll("tbody tr")];

  function update() {
    const wanted = plan.artifacts.filter((_, nth) => pick.has(nth));
    const held = wanted.filter((file) => file.present);
    const sum = (files) => files.reduce((all, file) => all + (file.size ?? 0), 0);
    const [all, here] = [sum(wanted), sum(held)];
    say(counts.files, format.number(wanted.length));
    say(counts.total, format.bytes(all));
    say(counts.held, format.bytes(here));
    say(counts.moved, format.bytes(all - here));
    share.children[0].style.setProperty("--share", all ? (all - here) / all : 1);
    share.children[1].style.setProperty("--share", all ? here / all : 0);
    share.setAttribute("aria-label", `${format.bytes(all - here)} to move, ${format.bytes(here)} held already`);
    say(total, wanted.length === plan.artifacts.length ? "" : `of ${plan.artifacts.length}`);
    rows.forEach((row, nth) => row.classList.toggle("is-off", !pick.has(nth)));
    onChoice({ ...pick.choice(), files: wanted.length, bytes: all - here });
  }
  pick.onChange(update);
  update();
  counts.files.append(total);

  return h(
    "section.stack",
    { "aria-label": "Plan" },
    h(
      "div.title-line",
      null,
      h("span.origin.is-large", { data: { provider: plan.provider } }, badge(plan.provider)),
      h(
        "div.title-text",
        null,
        h("h2", null, plan.name),
        h(
          "p.view-lead",
          null,
          h("a", { href: plan.page, rel: "noreferrer", target: "_blank" }, plan.reference),
          " at ",
          h(
            "span.hash",
            { title: plan.revision },
            format.short(plan.revision, 12),
            copyButton(plan.revision, "Copy the pinned revision"),
          ),
        ),
        plan.facts && h("p.facts-line", null, factLine(plan.facts)),
      ),
    ),
    h(
      "dl.tiles",
      null,
      tile("Files", counts.files),
      tile("In all", counts.total),
      tile("Held already", counts.held),
      tile("To move", counts.moved),
    ),
    h(
      "div",
      null,
      share,
      h(
        "div.legend",
        { "aria-hidden": "true" },
        h("span.is-moved", null, "to move"),
        h("span.is-held", null, "held already, not fetched again"),
      ),
    ),
    warnings(plan),
    h(
      "section.panel",
      null,
      h("div.panel-head", null, h("h2", null, "Files"), plan.artifacts.length > 1 && pick.tools),
      table,
      leftOut(plan),
    ),
  );
}

const tile = (name, value) => h("div.tile", null, h("dt", null, name), value);

function notes(file) {
  const said = [];
  if (file.present) said.push(h("span.chip", { data: { tone: "good" } }, icon("check"), "held already"));
  if (file.refused)
    said.push(
      h(
        "span.chip",
        { data: { tone: "bad" }, title: `${file.refused.message} ${file.refused.hint ?? ""}` },
        icon("cross"),
        `would be refused: ${file.refused.code}`,
      ),
    );
  if (file.scan && file.scan.verdict !== "safe")
    said.push(
      h(
        "span.chip",
        { data: { tone: "warn" }, title: file.scan.detail },
        icon("warn"),
        `${format.provider(file.scan.source)} says ${file.scan.verdict}`,
      ),
    );
  const facts = factLine(file.facts);
  if (facts) said.push(h("span.muted", null, facts));
  return said;
}

function warnings(plan) {
  const refused = plan.artifacts.filter((file) => file.refused);
  const all = [
    ...plan.warnings.map((one) => one.message),
    ...refused.map(
      (file) => `${file.path}: ${file.refused.message}${file.refused.hint ? ` ${file.refused.hint}` : ""}`,
    ),
  ];
  if (!all.length) return null;
  return h(
    "div.warning-box",
    null,
    icon("warn"),
    h(
      "ul",
      null,
      all.map((text) => h("li", null, text)),
    ),
  );
}

function leftOut(plan) {
  if (!plan.leftOut?.length) return null;
  const list = h("ul");
  put(
    list,
    plan.leftOut.map((file) =>
      h("li", null, h("span.path", null, file.path), ` (${format.bytes(file.size)}): ${file.reason}`),
    ),
  );
  return h("details.leftout", null, h("summary", null, `${format.count(plan.leftOut.length, "file")} left out`), list);
}
