// Signing in: with the key of this tab.

import { get } from "./api.js";
import { command, errorBox } from "./dialogs.js";
import { h, put } from "./dom.js";
import { mark } from "./icons.js";
import * as session from "./session.js";

export function signInView({ error, onDone }) {
  const id = h("input", {
    id: "key",
    name: "key",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    placeholder: "key_…",
  });
  const secret = h("input", { id: "secret", name: "secret", type: "password", autocomplete: "off", required: true });
  const problem = h("div", { role: "alert" });
  const button = h("button.button.is-main.is-wide", null, "Sign in");
  for (const field of [id, secret]) {
    field.addEventListener("paste", (event) => {
      const key = session.read(event.clipboardData.getData("text"));
      if (!key) return;
      event.preventDefault();
      [id.value, secret.value] = [key.id, key.secret];
      button.focus();
    });
  }
  const form = h(
    "form.sign-form",
    {
      on: {
        submit: (event) => {
          event.preventDefault();
          signIn();
        },
      },
    },
    h("div.field", null, h("label", { for: "key" }, "API key"), id),
    h("div.field", null, h("label", { for: "secret" }, "Secret"), secret),
    problem,
    button,
  );

  async function signIn() {
    const key = { id: id.value.trim(), secret: secret.value.trim() };
    button.disabled = true;
    put(problem);
    try {
      await get("v1/uploads", { query: { pageSize: 1 }, key });
      session.keep(key);
      onDone();
    } catch (failure) {
      put(problem, errorBox(failure));
      button.disabled = false;
      (failure.status === 401 ? secret : button).focus();
    }
  }

  if (error?.status === 401) {
    put(
      problem,
      errorBox({
        message: "The key of this tab no longer works.",
        hint: "It may have been revoked. Sign in with another one; nothing that was started is lost.",
        code: error.code,
      }),
    );
  }
  return h(
    "div.sign-card",
    null,
    h("div.brand.is-large", null, mark(), h("span", null, "modelferry")),
    h("h1", null, "Sign in"),
    h("p.lead", null, "The console uses the API key you enter. It stays in this tab and goes to this server alone."),
    form,
    h(
      "div.sign-help",
      null,
      h("p", null, "No key yet? Make one where the server runs:"),
      command("modelferry keys create", "command that makes a key"),
    ),
  );
}
