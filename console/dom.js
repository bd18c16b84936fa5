// Elements from data. Text is always text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element: `h("a.button", { href, on: { click } }, "text", other)`. */
export function h(name, props, ...children) {
  const [tag, ...classes] = name.split(".");
  return fill(document.createElement(tag || "div"), classes, props, children);
}

/** The same for SVG. */
export function s(name, props, ...children) {
  const [tag, ...classes] = name.split(".");
  return fill(document.createElementNS(SVG, tag), classes, props, children);
}

function fill(element, classes, props, children) {
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(props ?? {})) set(element, key, value);
  add(element, children);
  return element;
}

function set(element, key, value) {
  if (value === undefined || value === null || value === false) return;
  if (key === "on") {
    for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
  } else if (key === "vars") {
    for (const [name, content] of Object.entries(value)) element.style.setProperty(name, content);
  } else if (key === "data") {
    Object.assign(element.dataset, value);
  } else if (key === "value" || key === "checked" || key === "disabled" || key === "indeterminate") {
    element[key] = value;
  } else if (key === "href") {
    element.setAttribute("href", safeLink(value));
  } else {
    element.setAttribute(key, value === true ? "" : String(value));
  }
}

/** A link of ours or to the web; anything else, such as `javascript:`, is none. */
function safeLink(text) {
  const link = String(text);
  return /^(#|https?:\/\/|blob:|v1\/|docs$|\.?\/)/i.test(link) ? link : "#";
}

/** Appends children: elements, texts, lists of them, and nothing for what is nothing. */
export function add(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Puts these in place of all that is there. */
export function put(element, ...children) {
  element.replaceChildren();
  return add(element, ...children);
}

/** Changes a text only when it is another: no layout for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let speaking = 0;
let waiting = null;

/** Tells a screen reader, at most every four seconds, the latest first. */
export function announce(text) {
  waiting = text;
  const wait = Math.max(0, speaking + 4000 - Date.now());
  if (wait > 0 && announce.timer) return;
  announce.timer = setTimeout(() => {
    announce.timer = null;
    speaking = Date.now();
    document.getElementById("said").textContent = waiting;
  }, wait);
}

/** An id that no other element has. */
export function freshId(prefix) {
  freshId.last = (freshId.last ?? 0) + 1;
  return `${prefix}-${freshId.last}`;
}
