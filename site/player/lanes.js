// All requests over all steps -> a lane each (waiting, prefill, decode, preempted), or bins of thousands.

import { attr, h, put } from "./dom.js";
import { Painter, ROW } from "./lanes_paint.js";

const MOST_LANES = 300;

/** The pane under the three columns. */
export class Lanes {
  constructor(app) {
    this.app = app;
    this.canvas = h("canvas", { class: "lanes-canvas", "aria-hidden": "true" });
    this.cursor = h("div", { class: "lanes-cursor" });
    this.labels = h("div", { class: "lanes-labels" });
    this.plot = h(
      "div",
      {
        class: "lanes-plot",
        on: {
          pointerdown: (event) => this.press(event),
          pointermove: (event) => this.move(event),
          pointerleave: () => put(this.hint, ""),
        },
      },
      this.canvas,
      this.cursor,
    );
    this.find = h("input", {
      type: "search",
      class: "find",
      placeholder: "Find a request  /",
      "aria-label": "Find a request by its id",
      autocomplete: "off",
      spellcheck: "false",
      on: { input: () => this.search(), keydown: (event) => this.searchKey(event) },
    });
    this.found = h("ul", { class: "found", role: "list" });
    this.hint = h("p", { class: "lanes-hint" });
    this.node = h(
      "div",
      { role: "group", class: "pane lanes", "aria-label": "Requests over time" },
      h("div", { class: "lanes-head" }, h("h2", { text: "Requests over all steps" }), laneLegend(), this.find),
      this.found,
      h("div", { class: "lanes-body" }, this.labels, this.plot),
      this.hint,
    );
  }

  load(model) {
    this.few = model.requestCount <= MOST_LANES;
    this.painter = new Painter(this.app, this.canvas);
    this.node.classList.toggle("binned", !this.few);
    this.buttons = this.few ? Array.from({ length: model.requestCount }, (_, request) => this.label(request)) : [];
    this.labels.replaceChildren(...(this.few ? this.buttons : []));
    const none = model.requestCount === 0;
    this.node.classList.toggle("none", none);
    put(this.hint, none ? "No request came in this trace." : "");
    this.find.value = "";
    this.found.replaceChildren();
  }

  label(request) {
    const made = this.app.names.who(request, this.app.select, 13);
    made.classList.add("lane-label");
    return made;
  }

  resize(app) {
    // Measured here alone: reading a size while drawing would cost a layout in each frame.
    this.width = this.plot.clientWidth;
    this.painter.paint(this.width, app.theme, this.few ? null : app.request);
    this.painted = app.request;
    this.place(app);
  }

  draw(app) {
    if (!this.few && this.painted !== app.request) this.resize(app);
    this.place(app);
    if (this.marked !== app.request || this.focused !== app.focus) {
      this.buttons.forEach((one, request) => {
        attr(one, "aria-pressed", String(request === app.request));
        one.classList.toggle("focus", request === app.focus);
      });
      this.marked = app.request;
      this.focused = app.focus;
    }
  }

  place(app) {
    const step = this.width / app.model.frameCount;
    this.cursor.style.setProperty("transform", `translateX(${app.frame * step}px)`);
    this.cursor.style.setProperty("width", `${Math.max(2, step)}px`);
  }

  frameAt(event) {
    const rect = this.plot.getBoundingClientRect();
    const at = Math.floor(((event.clientX - rect.left) / rect.width) * this.app.model.frameCount);
    return Math.max(0, Math.min(this.app.end, at));
  }

  rowAt(event) {
    if (!this.few) return -1;
    const row = Math.floor((event.clientY - this.plot.getBoundingClientRect().top) / ROW);
    return row >= 0 && row < this.app.model.requestCount ? row : -1;
  }

  press(event) {
    if (event.button !== 0) return;
    // A finger may only tap: a drag of it scrolls the page.
    if (event.pointerType === "mouse") this.plot.setPointerCapture(event.pointerId);
    const request = this.rowAt(event);
    if (request >= 0 && request !== this.app.request) this.app.select(request);
    this.app.go(this.frameAt(event), { scrub: true });
  }

  move(event) {
    const { app } = this;
    const frame = this.frameAt(event);
    if (event.buttons === 1 && event.pointerType === "mouse") app.go(frame, { scrub: true });
    const request = this.rowAt(event);
    put(this.hint, `${app.frameName(frame)}${request >= 0 ? ` · ${app.names.spoken(request)}: ${this.phase(request, frame)}` : ""}`);
  }

  phase(request, frame) {
    const part = this.app.model.lane(request).find((one) => frame >= one.from && frame < one.to);
    return part ? part.kind : "not in the scheduler";
  }

  focusSearch() {
    this.find.focus();
    this.find.select();
  }

  search() {
    const text = this.find.value;
    const hits = text ? this.app.model.find(text).slice(0, 12) : [];
    this.found.replaceChildren(
      ...hits.map((request) => h("li", {}, this.app.names.who(request, (one) => this.take(one), 40))),
      ...(text && !hits.length ? [h("li", { class: "none", text: "No request has that in its id." })] : []),
    );
  }

  searchKey(event) {
    if (event.key === "Escape") this.clear();
    if (event.key === "Enter") {
      const [first] = this.app.model.find(this.find.value);
      if (this.find.value && first !== undefined) this.take(first);
    }
  }

  take(request) {
    this.clear();
    this.app.select(request);
    const { arrivedFrame } = this.app.model.request(request);
    if (arrivedFrame > this.app.frame) this.app.go(arrivedFrame);
  }

  clear() {
    this.find.value = "";
    this.found.replaceChildren();
    this.find.blur();
  }
}

function laneLegend() {
  const item = (kind, text) => h("li", {}, h("i", { class: `lane-key lane-${kind}`, "aria-hidden": "true" }), text);
  const sign = (text, word, hurts) => h("li", {}, h("b", { class: hurts ? "hurts" : "", "aria-hidden": "true", text }), word);
  return h(
    "ul",
    { class: "lane-legend", role: "list", "aria-label": "Signs in the lanes" },
    item("waiting", "waiting"),
    item("prefill", "prefill"),
    item("decode", "decode"),
    item("preempted", "preempted"),
    sign("✕", "loses its blocks", true),
    sign("↻", "resumed"),
    sign("◆", "prefix hit"),
    sign("●", "finished"),
  );
}

