// The address: which view, of what, with which filters. All of it stands after
// the `#`, so that a link to any state can be sent to somebody.

const listeners = new Set();

/** Where we are: `#/uploads/abc?status=failed` is `["uploads", "abc"]` and its query. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decode);
  return { parts, query: new URLSearchParams(query) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A link to a place. */
export function link(parts, query = {}) {
  const path = parts.map(encodeURIComponent).join("/");
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value) search.set(name, value);
  }
  const text = search.toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

export function go(parts, query) {
  location.hash = link(parts, query).slice(1);
}

/** Changes the filters without a new entry in the history. */
export function refine(query) {
  const { parts } = here();
  history.replaceState(history.state, "", link(parts, query));
}

/** Calls back at every change of place. */
export function onChange(listener) {
  listeners.add(listener);
}

addEventListener("hashchange", () => listeners.forEach((listener) => listener()));
