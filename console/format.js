// Numbers and times as people read them, in the reader's own zone.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Bytes with a unit; three figures are enough. */
export function bytes(count) {
  if (count === null || count === undefined) return "size unknown";
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes a second. */
export const rate = (perSecond) => `${bytes(Math.round(perSecond))}/s`;

const whole = new Intl.NumberFormat("en");

/** A count with its noun: `1 file`, `1,204 files`. */
export function count(number, noun) {
  return `${whole.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A number with separators. */
export const number = (value) => whole.format(value);

const compactly = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A large number in short: `7.2B`. */
export const compact = (value) => compactly.format(value);

/** A share of a whole, never 100 % before it is all. */
export function percent(part, of) {
  if (!of) return "0 %";
  const share = Math.floor((part / of) * 100);
  return `${Math.min(share, 100)} %`;
}

/** A span in seconds: `8 s`, `2 min 5 s`, `3 h 10 min`. */
export function span(seconds) {
  const left = Math.max(0, Math.round(seconds));
  if (left < 60) return `${left} s`;
  const minutes = Math.floor(left / 60);
  if (minutes < 60) return left % 60 ? `${minutes} min ${left % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exactly = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dayOnly = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const hourOnly = new Intl.DateTimeFormat(undefined, { hour: "numeric" });

export const moment = (text) => dayAndTime.format(new Date(text));
export const exact = (text) => exactly.format(new Date(text));
export const timeOfDay = (text) => clock.format(new Date(text));
export const day = (date) => dayOnly.format(date);
export const hour = (date) => hourOnly.format(date);

/** How long ago, or the date when that says more. */
export function ago(text, now = Date.now()) {
  const seconds = (now - new Date(text).getTime()) / 1000;
  if (Number.isNaN(seconds)) return "";
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  return dayOnly.format(new Date(text));
}

/** How long until then. */
export function until(text, now = Date.now()) {
  const seconds = (new Date(text).getTime() - now) / 1000;
  return seconds <= 0 ? "now" : `in ${span(seconds)}`;
}

/** The reader's time zone, named. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "local time";

/** The first digits of a hash, which is enough to compare by eye. */
export const short = (hash, digits = 12) => (hash && hash.length > digits ? `${hash.slice(0, digits)}…` : (hash ?? ""));

const PROVIDERS = { huggingface: "Hugging Face", civitai: "Civitai", other: "Web", url: "Web", multipart: "Parts" };

/** A provider's or source's own name. */
export const provider = (word) => PROVIDERS[word] ?? "Unknown";
