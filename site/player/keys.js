// Keys -> moves; and the page that lists them.

import { button, h } from "./dom.js";

const KEYS = [
  ["space", "play or pause"],
  ["← →", "one step back or on"],
  ["shift ← →", "ten steps"],
  ["[ ]", "previous or next event of the chosen kind"],
  ["d", "next step in which a worker ran something else (shift: previous)"],
  ["/", "find a request"],
  ["b", "order of the free queue"],
  ["esc", "choose nothing"],
  ["?", "this help"],
];
const TYPING = "input:not([type=range]), textarea, select, [contenteditable]";
const PRESSED = "button, summary, a, select";

/** Acts on a key; true if it was one of ours. */
export function onKey(event, app, { find, help }) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !app.model) return false;
  const [target] = event.composedPath();
  const is = (selector) => target instanceof Element && target.closest(selector) !== null;
  if (is(TYPING) || is("dialog")) return false;
  const run = action(event, app, { find, help });
  // A focused button is pressed by the space bar; that is not for us.
  if (!run || (event.key === " " && is(PRESSED))) return false;
  event.preventDefault();
  run();
  return true;
}

function action({ key, shiftKey }, app, { find, help }) {
  const far = shiftKey ? 10 : 1;
  return {
    " ": () => app.clock.toggle(),
    ArrowLeft: () => app.go(app.frame - far),
    ArrowRight: () => app.go(app.frame + far),
    Home: () => app.go(app.first),
    End: () => app.go(app.last),
    "[": () => app.jump(-1),
    "]": () => app.jump(1),
    d: () => app.differ(1),
    D: () => app.differ(-1),
    "/": find,
    b: () => app.toggleOrder(),
    "?": help,
    Escape: () => {
      app.choose(-1);
      app.select(-1);
    },
  }[key];
}

/** The dialog with the keys and what the signs mean. */
export function helpDialog() {
  const dialog = h("dialog", { class: "help", "aria-label": "Help" });
  dialog.append(
    h("h2", { text: "How to read this" }),
    h(
      "p",
      {},
      "The KV cache is cut into blocks of equal size. A request's tokens fill block after block; its ",
      h("b", { text: "block table" }),
      " says in which physical block each part lies. Blocks never move: they change their owner. When none is free, ",
      "a running request is preempted: it loses all its blocks and computes again later what is no longer cached.",
    ),
    h("dl", {}, KEYS.map(([key, text]) => [h("dt", {}, h("kbd", { text: key })), h("dd", { text })])),
    h("div", { class: "dialog-end" }, button("Close", "Close the help", () => dialog.close())),
  );
  return dialog;
}
