// The public API, and its errors in one form.

import { authorization, current } from "./session.js";

/** What went wrong: a problem that the server explains, or no server. */
export class ApiError extends Error {
  constructor({ status = 0, code = "unreachable", message, hint }) {
    super(message);
    Object.assign(this, { status, code, hint });
  }

  get isUnreachable() {
    return this.status === 0;
  }
}

/** Told of every answer: `revoked`, `away` or `here`. */
export const health = new EventTarget();

/** A path of this server, with its query. */
export function address(path, query = {}) {
  const url = new URL(path, document.baseURI);
  url.hash = "";
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

/** Sends a request and reads its JSON. */
export async function call(method, path, { query, body, signal, key, headers } = {}) {
  const answer = await send(method, path, { query, body, signal, key, headers });
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({ message: "the answer could not be read", hint: "try again" });
  }
}

/** Sends a request; what is no good answer is thrown. */
export async function send(method, path, { query, body, signal, key, headers, redirect } = {}) {
  const used = key ?? current();
  const sent = { accept: "application/json", ...authorization(used), ...headers };
  if (body !== undefined) sent["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(address(path, query), {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      redirect,
      cache: "no-store",
      // The browser has no say in a refused key: with this it asks for no password of its own.
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    health.dispatchEvent(new Event("away"));
    throw new ApiError({
      message: "The server does not answer.",
      hint: "Check that `modelferry serve` runs; nothing that was started is lost.",
    });
  }
  health.dispatchEvent(new Event("here"));
  if (answer.type === "opaqueredirect") {
    // The page's policy lets it ask this server alone.
    throw new ApiError({
      status: 307,
      code: "redirected",
      message: "The storage hands this file out itself.",
      hint: "Use the download command: it follows the link.",
    });
  }
  if (answer.ok) return answer;
  const error = await problem(answer);
  if (answer.status === 401 && !key) health.dispatchEvent(new CustomEvent("revoked", { detail: error }));
  throw error;
}

async function problem(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // A proxy may answer with a page of its own.
  }
  return new ApiError({
    status: answer.status,
    code: body.code ?? "upstream_error",
    message: body.detail ?? `The server answered ${answer.status}.`,
    hint: body.hint ?? (answer.status >= 500 ? "Try again in a moment." : undefined),
  });
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options) => call("POST", path, { ...options, body });
