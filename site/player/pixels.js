// More blocks than cells could show -> one picture: a stamp of pixels per block, redrawn where it changed.

import { attr, h } from "./dom.js";
import { css, pattern, rgb } from "./hues.js";
import { describe, stateOf } from "./cells.js";

// How much of a square as wide as the pane the blocks may fill.
const SHARE = 1.3;
const PAPER = { light: [255, 255, 255], dark: [29, 31, 36] };
const LINES = { light: [214, 216, 220], dark: [62, 66, 74] };
const INK = { light: [30, 33, 40], dark: [240, 242, 246] };

/** The grid as a canvas; the keyboard moves a cursor, the block under it is told in words. */
export class Pixels {
  constructor(app) {
    this.app = app;
    this.canvas = h("canvas", { class: "pixels", "aria-hidden": "true" });
    this.card = h("p", { class: "card", role: "status" });
    this.node = h(
      "div",
      {
        class: "pixel-grid",
        tabindex: 0,
        role: "application",
        "aria-roledescription": "block grid",
        "aria-label": "KV blocks; the arrow keys move, Enter chooses",
        on: {
          keydown: (event) => this.key(event),
          pointermove: (event) => this.hover(event),
          pointerleave: () => this.tell(-1),
          click: (event) => app.choose(this.blockAt(event)),
        },
      },
      this.canvas,
    );
    this.cursor = 0;
  }

  load() {
    this.cells = null;
  }

  /** Lays the blocks out for the width there is: cell size and columns. */
  resize(app) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = Math.floor(this.node.clientWidth * ratio);
    const count = app.model.blockCount;
    if (!width || !count) return;
    const side = Math.max(3, Math.min(16, Math.floor(Math.sqrt((width * width * SHARE) / count))));
    this.side = side;
    this.columns = Math.max(1, Math.floor(width / side));
    this.rows = Math.ceil(count / this.columns);
    this.canvas.width = this.columns * side;
    this.canvas.height = this.rows * side;
    this.canvas.style.setProperty("width", `${this.canvas.width / ratio}px`);
    this.canvas.style.setProperty("height", `${this.canvas.height / ratio}px`);
    this.pen = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.image = this.pen.createImageData(this.canvas.width, this.canvas.height);
    this.dots = new Uint32Array(this.image.data.buffer);
    this.drawn = new Int32Array(count).fill(-2);
    this.colours = new Map();
    this.theme = app.theme;
    this.dots.fill(word(PAPER[app.theme]));
  }

  draw(app) {
    if (!this.dots || this.theme !== app.theme) this.resize(app);
    if (!this.dots) return;
    const { model } = app;
    const { owner, refs, cached, lastOwner } = model;
    let dirty = false;
    for (let block = 0; block < this.drawn.length; block += 1) {
      // What a stamp shows in one number: whose, and how.
      const who = owner[block];
      const how = who >= 0 ? (refs[block] > 1 ? 1 : 0) : refs[block] > 0 ? 4 : cached[block] ? 2 : 3;
      const key = (how === 2 ? lastOwner[block] + 1 : who + 1) * 8 + how;
      if (key === this.drawn[block]) continue;
      this.drawn[block] = key;
      this.stamp(app, block);
      dirty = true;
    }
    if (dirty || this.marked) this.pen.putImageData(this.image, 0, 0);
    this.rings(app);
  }

  stamp(app, block) {
    const state = stateOf(app, block);
    const { model } = app;
    const who = state === "cached" ? model.lastOwner[block] : model.owner[block];
    const { full, soft } = this.colour(who, app.theme);
    const line = word(LINES[app.theme]);
    const paper = word(PAPER[app.theme]);
    const ink = word(INK[app.theme]);
    const side = this.side;
    const inner = side - 1;
    const left = (block % this.columns) * side;
    const top = Math.floor(block / this.columns) * side;
    const kind = who >= 0 ? pattern(who) : 0;
    const shared = model.refs[block] > 1;
    for (let y = 0; y < inner; y += 1) {
      let at = (top + y) * this.canvas.width + left;
      for (let x = 0; x < inner; x += 1, at += 1) {
        const edge = x === 0 || y === 0 || x === inner - 1 || y === inner - 1;
        let dot = paper;
        if (state === "used") dot = patterned(kind, x, y) ? soft : full;
        else if (state === "cached") dot = (x + y) % 3 === 0 ? full : paper;
        else if (state === "held") dot = line;
        else if (edge) dot = line;
        if (state === "null" && x === y) dot = ink;
        if (state === "used" && shared && x + y >= inner - 1 + (inner >> 2)) dot = ink;
        this.dots[at] = dot;
      }
    }
  }

  colour(request, theme) {
    const known = this.colours.get(request);
    if (known) return known;
    const paper = PAPER[theme];
    const made =
      request < 0
        ? { full: word(LINES[theme]), soft: word(paper) }
        : { full: word(rgb(request, theme)), soft: word(rgb(request, theme, 0.6, paper)) };
    this.colours.set(request, made);
    return made;
  }

  /** Rings: changed blocks, the blocks of the chosen request, the chosen block. */
  rings(app) {
    const { pen, side } = this;
    const ring = (block, width) => {
      pen.lineWidth = width;
      pen.strokeRect((block % this.columns) * side + 0.5, Math.floor(block / this.columns) * side + 0.5, side - 2, side - 2);
    };
    pen.strokeStyle = css(INK[app.theme]);
    for (const block of app.changed) ring(block, 1);
    for (const block of app.focusBlocks) ring(block, Math.max(1.5, side / 5));
    if (app.block >= 0) {
      pen.lineWidth = 2;
      pen.strokeRect((app.block % this.columns) * side - 2, Math.floor(app.block / this.columns) * side - 2, side + 3, side + 3);
    }
    this.marked = app.changed.size + app.focusBlocks.size + (app.block >= 0 ? 1 : 0) > 0;
  }

  blockAt(event) {
    if (!this.side) return -1;
    const rect = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / rect.width;
    const column = Math.floor(((event.clientX - rect.left) * scale) / this.side);
    const row = Math.floor(((event.clientY - rect.top) * scale) / this.side);
    const block = row * this.columns + column;
    return column >= 0 && column < this.columns && row >= 0 && block < this.app.model.blockCount ? block : -1;
  }

  hover(event) {
    this.tell(this.blockAt(event));
  }

  tell(block) {
    this.card.textContent = block >= 0 ? describe(this.app, block) : "";
    attr(this.canvas, "title", block >= 0 ? describe(this.app, block) : null);
  }

  key(event) {
    const way = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Enter: 0 }[event.key];
    if (way === undefined || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    const next = this.cursor + way;
    if (next >= 0 && next < this.app.model.blockCount) this.cursor = next;
    this.app.choose(this.cursor);
    this.tell(this.cursor);
  }
}

/** The second, third and fourth time round the hues: stripes down, stripes across, checks. */
function patterned(kind, x, y) {
  if (kind === 1) return x % 3 === 1;
  if (kind === 2) return y % 3 === 1;
  return kind === 3 && (x + y) % 2 === 0;
}

function word([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
