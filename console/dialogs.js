// What stands above a view for a moment: questions, help, notes, copying.

import { add, announce, freshId, h } from "./dom.js";
import { icon } from "./icons.js";

/** Asks before what can't be undone. Answers whether it is to be done. */
export function ask({ title, text, yes, danger = false }) {
  return new Promise((resolve) => {
    const close = (answer) => {
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    const heading = freshId("ask");
    const dialog = h(
      "dialog.dialog",
      {
        "aria-labelledby": heading,
        on: {
          cancel: (event) => {
            event.preventDefault();
            close(false);
          },
        },
      },
      h("h2", { id: heading }, title),
      h("p", null, text),
      h(
        "div.dialog-buttons",
        null,
        h("button.button", { type: "button", on: { click: () => close(false) } }, "Go back"),
        h(
          danger ? "button.button.is-danger" : "button.button.is-main",
          { type: "button", on: { click: () => close(true) } },
          yes,
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Shows the shortcuts. */
export function help(shortcuts) {
  const heading = freshId("help");
  const dialog = h(
    "dialog.dialog",
    { "aria-labelledby": heading, on: { close: () => dialog.remove() } },
    h("h2", { id: heading }, "Keyboard shortcuts"),
    h(
      "dl.keys",
      null,
      shortcuts.map(([keys, text]) =>
        h(
          "div",
          null,
          h(
            "dt",
            null,
            keys.split(" ").map((key) => h("kbd", null, key)),
          ),
          h("dd", null, text),
        ),
      ),
    ),
    h(
      "div.dialog-buttons",
      null,
      h("a.button", { href: "docs", target: "_blank", rel: "noreferrer" }, icon("open"), "API reference"),
      h("button.button.is-main", { type: "button", autofocus: true, on: { click: () => dialog.close() } }, "Close"),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** A note that goes by itself. */
export function note(text, tone = "quiet") {
  let place = document.querySelector(".notes");
  if (!place) {
    place = h("div.notes");
    document.body.append(place);
  }
  const element = h("p.note", { data: { tone } }, text);
  place.append(element);
  announce(text);
  setTimeout(() => element.remove(), 6000);
}

/** A button that copies a text. */
export function copyButton(text, label) {
  const button = h("button.icon-button", { type: "button", title: label, "aria-label": label }, icon("copy"));
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const done = await copy(typeof text === "function" ? text() : text);
    button.replaceChildren(icon(done ? "check" : "cross"));
    announce(done ? "Copied" : "Could not be copied");
    setTimeout(() => button.replaceChildren(icon("copy")), 1600);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** For pages that are neither https nor loopback, where there is no clipboard. */
function copyBySelection(text) {
  const field = h("textarea.unseen", { readonly: true, "aria-hidden": "true", value: text });
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

/** A command to copy. */
export function command(text, label) {
  return h(
    "div.command",
    null,
    h("code", { tabindex: "0", role: "region", "aria-label": label }, text),
    copyButton(text, `Copy: ${label}`),
  );
}

/** An error with its hint, its code, and what can be done. */
export function errorBox(error, ...actions) {
  return h(
    "div.error-box",
    { role: "group", "aria-label": "Error" },
    icon("warn"),
    h(
      "div.error-text",
      null,
      h("p.error-message", null, error.message),
      error.hint && h("p.error-hint", null, error.hint),
      add(h("div.error-foot"), error.code && h("code.chip", null, error.code), actions),
    ),
  );
}

/** What a view shows while there is nothing. */
export function empty({ title, text, action, extra }) {
  return h("div.empty", null, h("h2", null, title), h("p", null, text), action, extra);
}
