// The blocks as cells of a grid, up to 700: each has its place for ever, and what changes is the owner.

import { attr, h, put } from "./dom.js";
import { number } from "./format.js";
import { angle, pattern } from "./hues.js";
import { letter } from "./names.js";

export const MOST_CELLS = 700;
const LABEL = 4;

/** The state of a block, from the model's columns. */
function stateOf(app, block) {
  const { model } = app;
  if (app.nulls.has(block)) return "null";
  if (model.owner[block] >= 0) return "used";
  if (model.refs[block] > 0) return "held";
  return model.cached[block] ? "cached" : "free";
}

/** The label in a block: owner and logical index, both owners where it is shared. */
function labelOf(app, block, state) {
  const { model } = app;
  if (state === "null") return "∅";
  if (state === "held") return "•";
  if (state !== "used") return "";
  const slot = model.slot[block];
  const name = letter(model.owner[block]);
  if (model.refs[block] < 2) return `${name}${slot}`;
  const all = model.owners(block);
  const letters = [...new Set(all.map((one) => letter(one.request)))];
  const same = all.every((one) => one.slot === slot);
  const both = `${letters.join("")}${slot}`;
  return letters.length === 2 && same && both.length <= LABEL ? both : `${name}${slot}`;
}

/** What a block is, in words. */
export function describe(app, block) {
  const { model, names } = app;
  const state = stateOf(app, block);
  const id = app.blockName(block);
  if (state === "null") return `block ${id}: the null block, a place holder that is never handed out`;
  if (state === "used") {
    const all = model.owners(block);
    const said = all.slice(0, 4).map((one) => `number ${one.slot} of ${names.spoken(one.request)}`);
    const more = all.length > 4 ? ` and ${number(all.length - 4)} more` : "";
    const shared = all.length > 1 ? `shared by ${all.length}: ` : "";
    return `block ${id}: ${shared}${said.join(", ")}${more}${model.cached[block] ? "; can be hit" : ""}`;
  }
  if (state === "held") return `block ${id}: held, but in no block table`;
  const last = model.lastOwner[block];
  const former = last >= 0 ? `, last used by ${names.spoken(last)}` : "";
  return state === "cached" ? `block ${id}: free, still cached: it can be hit${former}` : `block ${id}: free${former}`;
}

/** The grid of cells. */
export class Cells {
  constructor(app) {
    this.app = app;
    this.node = h("div", {
      class: "cells",
      role: "group",
      "aria-label": "KV blocks; the arrow keys move between them",
      on: { keydown: (event) => this.key(event), click: (event) => this.click(event) },
    });
    this.cells = [];
    this.drawn = [];
  }

  load(model) {
    this.cells = Array.from({ length: model.blockCount }, (_, block) => makeCell(block, this.app.blockName(block)));
    this.drawn = new Array(model.blockCount).fill("");
    const [size] = [[32, "big"], [96, "middle"], [400, "small"], [MOST_CELLS, "tiny"]].find(([most]) => model.blockCount <= most).slice(1);
    this.node.dataset.size = size;
    this.node.replaceChildren(...this.cells.map((one) => one.node));
    this.here = 0;
    if (this.cells.length) this.cells[0].node.tabIndex = 0;
  }

  draw(app) {
    const order = app.order ? app.orderOf() : null;
    const mine = app.focusBlocks;
    const changed = app.changed;
    for (let block = 0; block < this.cells.length; block += 1) {
      const state = stateOf(app, block);
      const key = this.keyOf(app, block, state, mine, changed, order);
      if (key === this.drawn[block]) continue;
      this.drawn[block] = key;
      this.cell(app, block, state, { mine: mine.has(block), changed: changed.has(block), order: order && order.get(block) });
    }
  }

  /** All that a cell shows, as one text: what is the same needs no drawing. */
  keyOf(app, block, state, mine, changed, order) {
    const { model } = app;
    const who = state === "cached" ? model.lastOwner[block] : model.owner[block];
    const level = state === "used" ? app.level(block) : 0;
    const others = model.refs[block] > 1 ? model.owners(block).map((one) => one.request).join() : "";
    return `${state} ${who} ${model.slot[block]} ${model.refs[block]} ${others} ${level} ${mine.has(block)} ${changed.has(block)} ${
      order ? order.get(block) : ""
    } ${app.block === block} ${model.cached[block]} ${app.lit.has(block)}`;
  }

  cell(app, block, state, { mine, changed, order }) {
    const { model } = app;
    const { node, fill, label, badge, place } = this.cells[block];
    const owner = state === "cached" ? model.lastOwner[block] : model.owner[block];
    attr(node, "data-state", state);
    attr(node, "data-pattern", owner >= 0 ? pattern(owner) : null);
    attr(node, "aria-pressed", String(app.block === block));
    node.classList.toggle("mine", mine);
    node.classList.toggle("changed", changed);
    node.classList.toggle("lit", app.lit.has(block));
    node.classList.toggle("chosen", app.block === block);
    if (owner >= 0) node.style.setProperty("--hue", String(angle(owner)));
    const shared = state === "used" && model.refs[block] > 1;
    node.classList.toggle("shared", shared);
    if (shared) {
      const other = model.owners(block).find((one) => one.request !== owner);
      node.style.setProperty("--hue2", String(angle(other ? other.request : owner)));
    }
    fill.style.setProperty("--level", state === "used" ? String(app.level(block)) : "1");
    put(label, labelOf(app, block, state));
    put(badge, shared ? `×${model.refs[block]}` : "");
    put(place, order ? number(order) : "");
    attr(node, "aria-label", describe(app, block) + (changed ? "; changed in this step" : "") + (order ? `; number ${order} to be handed out` : ""));
    attr(node, "title", node.getAttribute("aria-label"));
  }

  /** Where a block is drawn, seen from `origin` (a DOMRect): the middle of its upper edge. */
  place(block, origin) {
    const rect = this.cells[block].node.getBoundingClientRect();
    return { x: rect.left + rect.width / 2 - origin.left, y: rect.top - origin.top, height: rect.height };
  }

  click(event) {
    const cell = event.target.closest(".cell");
    if (cell) this.app.choose(Number(cell.dataset.block));
  }

  key(event) {
    const columns = getComputedStyle(this.node).gridTemplateColumns.split(" ").length;
    const way = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (way === undefined || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    const now = Number(event.target.closest(".cell")?.dataset.block ?? this.here);
    const next = now + way;
    if (next < 0 || next >= this.cells.length) return;
    this.cells[this.here].node.tabIndex = -1;
    this.here = next;
    this.cells[next].node.tabIndex = 0;
    this.cells[next].node.focus();
  }
}

function makeCell(block, name) {
  const fill = h("span", { class: "fill" });
  const label = h("span", { class: "label" });
  const badge = h("span", { class: "badge" });
  const place = h("span", { class: "place" });
  const id = h("span", { class: "id", text: name });
  const node = h("button", { type: "button", class: "cell", tabindex: -1, data: { block } }, fill, id, label, badge, place);
  return { node, fill, label, badge, place };
}
