// The page: its frame, which view is in it, and how the server stands.

import { health } from "./api.js";
import { help } from "./dialogs.js";
import { announce, h, put, say } from "./dom.js";
import * as format from "./format.js";
import { icon, mark } from "./icons.js";
import * as route from "./route.js";
import * as session from "./session.js";
import * as state from "./state.js";
import { importView } from "./view-import.js";
import { modelView } from "./view-model.js";
import { modelsView } from "./view-models.js";
import { numbersView } from "./view-numbers.js";
import { signInView } from "./view-signin.js";
import { syncView } from "./view-sync.js";
import { syncsView } from "./view-syncs.js";
import { uploadView } from "./view-upload.js";
import { uploadsView } from "./view-uploads.js";

const VIEWS = [
  { path: "import", title: "Import", key: "i", whole: importView },
  { path: "uploads", title: "Uploads", key: "u", whole: uploadsView, one: uploadView },
  { path: "models", title: "Models", key: "m", whole: modelsView, one: modelView },
  { path: "syncs", title: "Syncs", key: "s", whole: syncsView, one: syncView },
  { path: "numbers", title: "Numbers", key: "n", whole: numbersView },
];

const SHORTCUTS = [
  ...VIEWS.map(({ key, title }) => [`g ${key}`, `Go to ${title}`]),
  ["/", "Search, or the source to import"],
  ["j", "Next row"],
  ["k", "Row before"],
  ["Enter", "Open the row"],
  ["t", "Theme: as the system, light, dark"],
  ["?", "This list"],
];

const app = document.getElementById("app");
const main = h("main", { id: "main", tabindex: "-1" });
const line = h("div.line", { role: "status" });
let leave = null;
let shown = null;

/* ---- the frame ---- */

const nav = h(
  "nav.nav",
  { "aria-label": "Views" },
  VIEWS.map(({ path, title }) =>
    h("a.nav-link", { href: route.link([path]), data: { path } }, icon(path), h("span", null, title)),
  ),
);
const theme = h("button.icon-button", { type: "button", on: { click: () => turnTheme() } });
const keys = h(
  "button.icon-button",
  {
    type: "button",
    title: "Keyboard shortcuts (?)",
    "aria-label": "Keyboard shortcuts",
    on: { click: () => help(SHORTCUTS) },
  },
  icon("keys"),
);
const out = h(
  "button.icon-button",
  { type: "button", title: "Sign out", "aria-label": "Sign out", on: { click: () => signOut() } },
  icon("out"),
);
const who = h("span.who");
const frame = h(
  "div.frame",
  null,
  h(
    "header.side",
    null,
    h("a.brand", { href: route.link(["import"]) }, mark(), h("span", null, "modelferry")),
    nav,
    h("div.side-foot", null, who, h("div.side-tools", null, theme, keys, out)),
  ),
  h("div.stage", null, line, main),
);

/* ---- the theme ---- */

const THEMES = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

function chosenTheme() {
  const found = localStorage.getItem("modelferry.theme");
  return found in THEMES ? found : "auto";
}

function showTheme() {
  const now = chosenTheme();
  if (now === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = now;
  theme.title = `${THEMES[now]} (t)`;
  theme.setAttribute("aria-label", THEMES[now]);
  theme.replaceChildren(icon({ auto: "auto", light: "sun", dark: "moon" }[now]));
}

function turnTheme() {
  const order = Object.keys(THEMES);
  localStorage.setItem("modelferry.theme", order[(order.indexOf(chosenTheme()) + 1) % order.length]);
  showTheme();
  announce(THEMES[chosenTheme()]);
}

/* ---- how the server stands ---- */

let isAway = false;

function showLine() {
  const now = state.lineState();
  const cut = now.is === "waiting" || (now.is === "connecting" && now.failures > 0);
  line.hidden = !(cut || isAway);
  main.toggleAttribute("data-away", cut || isAway);
  if (line.hidden) return;
  const left = now.is === "waiting" ? Math.max(0, Math.ceil((now.until - Date.now()) / 1000)) : 0;
  const when = left > 0 ? `trying again in ${left} s` : "trying again now";
  if (!line.firstChild) {
    put(
      line,
      icon("warn"),
      h("span"),
      h("button.button.is-small", { type: "button", on: { click: () => state.reconnect() } }, "Try now"),
    );
  }
  say(line.children[1], `No connection to the server; ${when}. Work that was started goes on.`);
}

setInterval(showLine, 500);
health.addEventListener("away", () => {
  isAway = true;
  showLine();
});
health.addEventListener("here", () => {
  isAway = false;
  showLine();
});
health.addEventListener("revoked", (event) => signOut(event.detail));

/* ---- signing in and out ---- */

function signOut(error) {
  if (!session.current() && shown === "sign-in") return;
  session.forget();
  state.stop();
  showSignIn(error);
}

function showSignIn(error) {
  leave?.();
  leave = null;
  shown = "sign-in";
  document.title = "Sign in · modelferry";
  put(app, h("main.sign-in", { id: "main", tabindex: "-1" }, signInView({ error, onDone: begin })));
  app.querySelector("input")?.focus();
}

function begin() {
  state.start();
  say(who, session.current()?.id.slice(0, 12) ?? "");
  who.title = `Signed in with ${session.current()?.id}`;
  put(app, frame);
  shown = null;
  show();
}

/* ---- the view ---- */

function show() {
  if (!session.current()) return showSignIn();
  const { parts, query } = route.here();
  const view = VIEWS.find(({ path }) => path === parts[0]);
  if (!view) return route.go(["import"]);
  const place = parts.join("/");
  if (shown === place) return leave?.changed?.(query);
  leave?.();
  const isFirst = shown === null;
  shown = place;
  for (const item of nav.children) {
    if (item.dataset.path === view.path) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  document.title = `${view.title} · modelferry`;
  const made = parts.length > 1 && view.one ? view.one(parts.slice(1), query) : view.whole(query);
  put(main, made.element);
  leave = () => made.leave?.();
  leave.changed = made.changed;
  leave.search = made.search;
  scrollTo(0, 0);
  if (!isFirst) main.focus({ preventScroll: true });
  made.shown?.();
}

route.onChange(() => {
  if (session.takeFromLink()) return begin();
  if (frame.isConnected) show();
});

/* ---- the keyboard ---- */

let prefix = 0;

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  if (!frame.isConnected) return;
  if (Date.now() - prefix < 1500) {
    prefix = 0;
    const view = VIEWS.find(({ key }) => key === event.key);
    if (view) {
      event.preventDefault();
      route.go([view.path]);
    }
    return;
  }
  const actions = {
    g: () => {
      prefix = Date.now();
    },
    "?": () => help(SHORTCUTS),
    t: turnTheme,
    "/": () => main.querySelector("[data-search]")?.focus(),
    j: () => step(1),
    k: () => step(-1),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

function step(by) {
  const links = [...main.querySelectorAll("a.row-link")];
  const at = links.indexOf(document.activeElement);
  const next = links[Math.min(Math.max(at + by, 0), links.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main")?.focus();
});

/** Relative times go on while nobody does anything. */
setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) say(time, format.ago(time.dateTime));
}, 15_000);

showTheme();
session.takeFromLink();
if (session.current()) begin();
else showSignIn();
