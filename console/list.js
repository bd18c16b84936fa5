// Long lists, page by page: more comes when its end comes near, or on a button.

import { add, h, put } from "./dom.js";
import { errorBox } from "./dialogs.js";

/**
 * A list that loads itself. `load(token)` answers `{ items, next }`, `row(item)`
 * makes a row, `blank` is shown while there is nothing.
 */
export function pagedList({ load, row, blank, label, columns = [] }) {
  const rows = h("ol.rows", { "aria-label": label });
  const foot = h("div.rows-foot");
  const head = columns.length
    ? h(
        "div.rows-head",
        { "aria-hidden": "true" },
        columns.map((text) => h("span", null, text)),
      )
    : null;
  const element = h("div.paged", null, head, rows, foot);
  const state = { token: undefined, generation: 0, isLoading: false, abort: null };
  const more = h("button.button", { type: "button", on: { click: () => next() } }, "Show more");
  const near = new IntersectionObserver(
    (seen) => {
      if (seen.some((entry) => entry.isIntersecting)) next();
    },
    { rootMargin: "800px" },
  );

  async function next() {
    if (state.isLoading || state.token === null) return;
    state.isLoading = true;
    const { generation } = state;
    state.abort = new AbortController();
    try {
      const page = await load(state.token, state.abort.signal);
      if (generation !== state.generation) return;
      if (state.token === undefined) rows.replaceChildren();
      state.token = page.next ?? null;
      add(rows, page.items.map(row));
      show();
    } catch (error) {
      if (error.name === "AbortError" || generation !== state.generation) return;
      near.disconnect();
      if (state.token === undefined && rows.querySelector(".is-ghost")) rows.replaceChildren();
      if (head) head.hidden = rows.childElementCount === 0;
      put(foot, errorBox(error, h("button.button", { type: "button", on: { click: again } }, "Try again")));
      element.setAttribute("aria-busy", "false");
    } finally {
      if (generation === state.generation) state.isLoading = false;
    }
  }

  function again() {
    put(foot);
    next();
  }

  function show() {
    element.setAttribute("aria-busy", "false");
    const isBlank = rows.childElementCount === 0;
    if (head) head.hidden = isBlank;
    put(foot, isBlank ? blank() : state.token === null ? null : more);
    near.disconnect();
    // Observed anew, so that a page that did not fill the screen is followed by another.
    if (state.token !== null) near.observe(more);
  }

  /** Lists anew; what is shown stays until the new is here. */
  function reload() {
    state.abort?.abort();
    state.generation += 1;
    Object.assign(state, { token: undefined, isLoading: false });
    element.setAttribute("aria-busy", "true");
    return next();
  }

  function stop() {
    near.disconnect();
    state.abort?.abort();
    state.generation += 1;
  }

  return { element, rows, reload, stop };
}

/** Rows like those to come, so that nothing jumps when they do. */
export function ghosts(count) {
  return Array.from({ length: count }, () =>
    h("li.row.is-ghost", { "aria-hidden": "true" }, h("span.ghost"), h("span.ghost")),
  );
}
