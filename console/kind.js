// What an import is to be: asked for where the source does not say.

import { h, put, say } from "./dom.js";

const KINDS = ["model", "asset", "image", "video", "audio", "3d", "avatar", "text"];

/** Which kind: for a plain URL nobody else can say, so it is asked for in the open. */
export function kindField() {
  let chosen = "";
  let needed = false;
  const named = (name) => (name === "3d" ? "3D" : name);
  const radios = KINDS.map((name, nth) =>
    h(
      "button.chip-button",
      {
        type: "button",
        role: "radio",
        "aria-checked": "false",
        tabindex: nth ? "-1" : "0",
        on: { click: () => pick(name) },
      },
      named(name),
    ),
  );
  const error = h("p", { role: "alert" });
  const group = h("div", { role: "radiogroup", "aria-labelledby": "kind-label" }, radios);
  const box = h(
    "select",
    { id: "kind", on: { change: () => pick(box.value) } },
    h("option", { value: "" }, "As the source says"),
    KINDS.map((name) => h("option", { value: name }, named(name))),
  );
  const element = h("div.field.kinds");
  group.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = (radios.indexOf(document.activeElement) + by + KINDS.length) % KINDS.length;
    pick(KINDS[next]);
    radios[next].focus();
  });
  function pick(name) {
    chosen = name;
    box.value = name;
    radios.forEach((radio, nth) => {
      radio.setAttribute("aria-checked", String(KINDS[nth] === chosen));
      radio.tabIndex = KINDS[nth] === chosen || (!chosen && nth === 0) ? 0 : -1;
    });
    say(error, "");
  }
  return {
    element,
    value: () => chosen,
    isMissing: () => needed && !chosen,
    complain() {
      say(error, "Choose what the file is: a plain URL does not tell.");
      radios[0].focus();
    },
    setNeeded(is) {
      needed = is;
      element.classList.toggle("is-needed", is);
      say(error, "");
      put(
        element,
        is
          ? [h("span.label", { id: "kind-label" }, "Kind: what the file is"), group, error]
          : [h("label", { for: "kind" }, "Kind"), box],
      );
    },
  };
}
