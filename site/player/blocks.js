// The picture of paged memory: a request's block table above, the blocks of the pool below, lines between.

import { Cells, MOST_CELLS } from "./cells.js";
import { arrange, attr, button, h, put, svg } from "./dom.js";
import { count, number } from "./format.js";
import { angle, pattern } from "./hues.js";
import { Pixels } from "./pixels.js";

const MOST_SLOTS = 48;
const MOST_LINES = 20;
const MOST_FREE = 10;

/** The middle column. */
export class Blocks {
  constructor(app) {
    this.app = app;
    this.title = h("h2", { class: "table-title" });
    this.slots = h("ol", { class: "slots", role: "list" });
    this.lines = svg("svg", { class: "lines", "aria-hidden": "true" });
    this.place = h("div", { class: "grid-place" });
    this.caption = h("p", { class: "grid-title" });
    this.next = h("p", { class: "next-free" });
    this.orderButton = button("", "Show the order of the free queue", () => app.toggleOrder(), {
      class: "order",
      "aria-pressed": "false",
    });
    this.orderButton.textContent = "show order";
    this.stage = h("div", { class: "stage" }, h("div", { class: "strip" }, this.title, this.slots), this.place, this.lines);
    this.legend = legend();
    this.node = h(
      "div",
      { role: "group", class: "pane blocks", "aria-label": "KV blocks" },
      this.stage,
      this.caption,
      h("div", { class: "free-row" }, this.next, this.orderButton),
      this.legend,
    );
  }

  load(model) {
    this.grid = model.blockCount > MOST_CELLS ? new Pixels(this.app) : new Cells(this.app);
    this.grid.load(model);
    this.place.replaceChildren(this.grid.node, ...(this.grid.card ? [this.grid.card] : []));
    this.known = new Map();
    this.slots.replaceChildren();
    this.shown = "";
    this.node.classList.toggle("many", model.blockCount > MOST_CELLS);
  }

  resize(app) {
    this.grid.resize?.(app);
    this.grid.draw(app);
    this.shown = null;
    this.connect(app);
  }

  draw(app) {
    this.grid.draw(app);
    this.strip(app);
    this.connect(app);
    this.free(app);
  }

  strip(app) {
    const request = app.focus;
    this.node.classList.toggle("no-table", request < 0);
    if (request < 0) {
      this.title.replaceChildren("Block table");
      this.slots.replaceChildren(h("li", { class: "none", text: "No request holds blocks in this step." }));
      this.titled = -1;
      return;
    }
    if (this.titled !== request || this.pinned !== app.request) {
      this.title.replaceChildren(
        "Block table of ",
        app.names.who(request, app.select),
        app.request === request
          ? button("unpin", "Follow the step again", () => app.select(-1), { class: "unpin" })
          : h("span", { class: "quiet", text: " its blocks in order → where they lie" }),
      );
      this.titled = request;
      this.pinned = app.request;
    }
    const made = app.tables(request).flatMap(({ table, blocks }, at, all) => this.group(app, request, table, blocks, all.length > 1, at));
    if (!made.length) made.push(h("li", { class: "none", text: noBlocks(app, request) }));
    arrange(this.slots, made);
    this.slots.style.setProperty("--hue", String(angle(request)));
    attr(this.slots, "data-pattern", pattern(request));
  }

  group(app, request, table, blocks, several, at) {
    const size = app.blockSize(table);
    const { computed } = app.model.status(request) || { computed: 0 };
    const found = [];
    // Each group begins a row.
    if (at > 0) found.push(this.once(`r${at}`, () => h("li", { class: "break", "aria-hidden": "true" })));
    if (several) found.push(this.once(`g${at}`, () => h("li", { class: "group", text: `group ${at}` })));
    // The last slots are where it grows: a long table shows its beginning and its end.
    const skip = blocks.length > MOST_SLOTS ? blocks.length - MOST_SLOTS : 0;
    for (let slot = 0; slot < blocks.length; slot += 1) {
      if (skip && slot === 8) {
        const many = this.once(`m${at}`, () => h("li", { class: "none" }));
        put(many, `… ${number(skip)} …`);
        found.push(many);
      }
      if (skip && slot >= 8 && slot < 8 + skip) continue;
      found.push(this.slot(app, at, slot, blocks[slot], size, computed));
    }
    return found;
  }

  slot(app, at, slot, block, size, computed) {
    const node = this.once(`${at}.${slot}`, () => {
      const made = h("button", { type: "button", class: "slot" }, h("span", { class: "fill" }), h("b"), h("span", { class: "to" }));
      return h("li", {}, made);
    });
    const [made] = node.children;
    const [fill, index, to] = made.children;
    made.onclick = () => app.choose(block);
    const held = Math.max(0, Math.min(size, computed - slot * size));
    fill.style.setProperty("--level", String(held / size));
    put(index, String(slot));
    put(to, app.nulls.has(block) ? "∅" : app.blockName(block));
    made.classList.toggle("chosen", app.block === block);
    const what = `number ${slot}, tokens ${number(slot * size)} to ${number((slot + 1) * size - 1)}: in block ${app.blockName(block)}, ${number(held)} of ${number(size)} computed`;
    attr(made, "aria-label", what);
    attr(made, "title", what);
    made.dataset.block = String(block);
    return node;
  }

  once(key, make) {
    if (!this.known.has(key)) this.known.set(key, make());
    return this.known.get(key);
  }

  /** Lines from each slot to its block; none where there are too many to follow. */
  connect(app) {
    const slots = this.grid.place ? [...this.slots.querySelectorAll(".slot")] : [];
    const few = slots.length > 0 && slots.length <= MOST_LINES;
    const key = few ? `${app.focus}:${slots.map((one) => one.dataset.block).join()}` : "";
    // Measuring costs a layout: only where a line has moved. `resize` forgets what was shown.
    if (key === this.shown) return;
    this.shown = key;
    if (!few) {
      this.lines.replaceChildren();
      return;
    }
    const origin = this.stage.getBoundingClientRect();
    attr(this.lines, "viewBox", `0 0 ${origin.width} ${origin.height}`);
    this.lines.style.setProperty("--hue", String(angle(app.focus)));
    this.lines.replaceChildren(...slots.flatMap((one) => this.line(one, origin, app)));
  }

  line(slot, origin, app) {
    const block = Number(slot.dataset.block);
    if (app.nulls.has(block)) return [];
    const from = slot.getBoundingClientRect();
    const x = from.left + from.width / 2 - origin.left;
    const y = from.bottom - origin.top;
    const to = this.grid.place(block, origin);
    const bend = Math.max(14, (to.y - y) * 0.5);
    return [
      svg("path", { d: `M${x} ${y}C${x} ${y + bend} ${to.x} ${to.y - bend} ${to.x} ${to.y}` }),
      svg("circle", { cx: to.x, cy: to.y, r: 3 }),
    ];
  }

  free(app) {
    const queue = app.freeQueue();
    const { model } = app;
    const size = app.blockSize(0);
    const used = model.blockCount - app.nulls.size - queue.length;
    put(
      this.caption,
      `The KV cache: ${count(model.blockCount, "block")}${size ? ` of ${number(size)} tokens` : ""}, ${number(used)} in use`,
    );
    const first = Array.from(queue.subarray(0, MOST_FREE), (block) => app.blockName(block) + (model.cached[block] ? "*" : ""));
    const more = queue.length > MOST_FREE ? " …" : "";
    put(this.next, queue.length ? `Handed out next: ${first.join(" → ")}${more}` : "No block is free.");
    attr(this.next, "title", "The free queue, in the order in which blocks are handed out. * is still cached.");
    attr(this.orderButton, "aria-pressed", String(app.order));
    this.orderButton.hidden = !this.grid.place;
  }
}

function noBlocks(app, request) {
  const one = app.model.status(request);
  if (!one) return "The engine does not know it yet.";
  const { status, finished } = one;
  if (status === "PREEMPTED") return "It was preempted: it has no block now.";
  return finished ? "It is finished: its blocks were given back." : "It has no block yet.";
}

function legend() {
  const item = (state, text, extra = {}) =>
    h("li", {}, h("span", { class: `cell key ${extra.class || ""}`, "aria-hidden": "true", data: { state }, vars: { "--hue": 255, "--hue2": 72, "--level": extra.level ?? 1 } }, h("span", { class: "fill" }), extra.label ? h("span", { class: "label", text: extra.label }) : null), text);
  return h(
    "ul",
    { class: "legend", role: "list", "aria-label": "Signs" },
    item("used", "in use: owner and place in its table", { label: "A2" }),
    item("used", "half full", { level: 0.5 }),
    item("used", "shared", { class: "shared" }),
    item("cached", "free, can still be hit"),
    item("free", "free"),
    item("null", "null block", { label: "∅" }),
    item("free", "changed now", { class: "changed" }),
  );
}
