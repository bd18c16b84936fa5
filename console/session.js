// The API key of this tab. It is in the tab's own storage and nowhere else,
// and goes to this server alone.

const PLACE = "modelferry.key";

/** Takes the key that a link of `serve` carries after the `#`, and forgets the link. */
export function takeFromLink() {
  const found = /^#key=([^:&]+):([^&]+)$/.exec(location.hash);
  if (!found) return false;
  const [id, secret] = found.slice(1).map(decodeURIComponent);
  keep({ id, secret });
  history.replaceState(null, "", `${location.pathname}${location.search}#/import`);
  return true;
}

/** The key, or nothing. */
export function current() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE));
  } catch {
    return null;
  }
}

export function keep(key) {
  sessionStorage.setItem(PLACE, JSON.stringify(key));
}

export function forget() {
  sessionStorage.removeItem(PLACE);
}

/** What a request carries. */
export function authorization(key = current()) {
  if (!key) return {};
  const text = new TextEncoder().encode(`${key.id}:${key.secret}`);
  return { authorization: `Basic ${btoa(String.fromCharCode(...text))}` };
}

/** A key as people paste it: `key_…:secret`, or both lines that the program printed. */
export function read(text) {
  const printed = /key\s+(\S+)\s+secret\s+(\S+)/.exec(text);
  const joined = /^\s*([^\s:]+):(\S+)\s*$/.exec(text);
  const found = printed ?? joined;
  return found ? { id: found[1], secret: found[2] } : null;
}
