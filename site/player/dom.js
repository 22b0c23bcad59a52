// Tag, properties, children -> one DOM node. Text only ever enters as text: ids are hostile.

const SVG = "http://www.w3.org/2000/svg";

/** One HTML element. `props`: attributes, or `class`, `text`, `on` (listeners), `data`, `vars`. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.setAttribute("class", value);
    else if (name === "text") node.textContent = value;
    else if (name === "on") for (const [kind, run] of Object.entries(value)) node.addEventListener(kind, run);
    else if (name === "data") Object.assign(node.dataset, value);
    // Through the object model, never as a style attribute: a strict policy forbids those.
    else if (name === "vars") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return node;
}

/** Sets text only where it differs: an untouched node costs no layout. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets or removes an attribute only where it differs. */
export function attr(node, name, value) {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/** Puts `wanted` under `parent` in this order and takes everything else away. */
export function arrange(parent, wanted) {
  const there = parent.children;
  let same = there.length === wanted.length;
  for (let at = 0; same && at < wanted.length; at += 1) same = there[at] === wanted[at];
  if (!same) parent.replaceChildren(...wanted);
}

const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  back: "M11 3v10L5 8z",
  next: "M5 3v10l6-5z",
  first: "M3 3h2v10H3zM13 3v10L6.5 8z",
  last: "M11 3h2v10h-2zM3 3v10l6.5-5z",
};

/** A sign of the controls, drawn: fonts differ in which of these they have. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, svg("path", { d: ICONS[name], fill: "currentColor" }));
}

/** A button that shows a sign and is named in words. */
export function button(sign, label, run, props = {}) {
  return h("button", { type: "button", "aria-label": label, title: label, ...props, on: { click: run } }, sign);
}
