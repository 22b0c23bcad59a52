// More blocks than cells could show -> one picture: a stamp of pixels per block, redrawn where it changed.

import { attr, h } from "./dom.js";
import { angle, css, pattern, rgb } from "./hues.js";
import { describe } from "./cells.js";

// How much of a square as wide as the pane the blocks may fill.
const SHARE = 1.3;
const PAPER = { light: [255, 255, 255], dark: [29, 31, 36] };
const LINES = { light: [214, 216, 220], dark: [62, 66, 74] };
const [BLANK, LINE, BLACK, FULL, SOFT] = [0, 1, 2, 3, 4]; // places in a palette
const [USED, SHARED, CACHED, FREE, HELD, NULL] = [0, 1, 2, 3, 4, 5]; // what a stamp shows
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
    this.stencils = [];
    this.palette = Uint32Array.of(word(PAPER[app.theme]), word(LINES[app.theme]), word(INK[app.theme]), 0, 0);
    this.theme = app.theme;
    this.dots.fill(word(PAPER[app.theme]));
  }

  draw(app) {
    if (!this.dots || this.theme !== app.theme) this.resize(app);
    if (!this.dots) return;
    const { owner, refs, cached, lastOwner } = app.model;
    const { drawn } = this;
    let dirty = false;
    for (let block = 0; block < drawn.length; block += 1) {
      // What a stamp shows in one number: whose, and how.
      let who = owner[block];
      let how = FREE;
      if (who >= 0) how = refs[block] > 1 ? SHARED : USED;
      else if (refs[block] > 0) how = HELD;
      else if (cached[block]) [how, who] = [CACHED, lastOwner[block]];
      const key = (who + 1) * 8 + how;
      if (key === drawn[block]) continue;
      drawn[block] = key;
      this.stamp(block, who, app.nulls.has(block) ? NULL : how);
      dirty = true;
    }
    if (dirty || this.marked) this.pen.putImageData(this.image, 0, 0);
    this.rings(app);
  }

  stamp(block, who, how) {
    const { side, dots, palette } = this;
    const inner = side - 1;
    const { full, soft } = this.colour(who, this.theme);
    palette[FULL] = full;
    palette[SOFT] = soft;
    const stencil = this.stencil(how, who >= 0 ? pattern(who) : 0);
    const { width } = this.image;
    let row = Math.floor(block / this.columns) * side * width + (block % this.columns) * side;
    for (let y = 0, at = 0; y < inner; y += 1, row += width) {
      for (let x = 0; x < inner; x += 1, at += 1) dots[row + x] = palette[stencil[at]];
    }
  }

  /** Which of the palette's inks each pixel of such a block has; made once for each kind. */
  stencil(how, kind) {
    const key = how * 4 + kind;
    const inner = this.side - 1;
    this.stencils[key] ??= Uint8Array.from({ length: inner * inner }, (_, at) => inkOf(how, kind, at % inner, Math.floor(at / inner), inner));
    return this.stencils[key];
  }

  colour(request, theme) {
    // Requests of one hue share it: there are far fewer hues than requests.
    const hue = request < 0 ? -1 : angle(request);
    const known = this.colours.get(hue);
    if (known) return known;
    const paper = PAPER[theme];
    const made =
      request < 0
        ? { full: word(LINES[theme]), soft: word(paper) }
        : { full: word(rgb(request, theme)), soft: word(rgb(request, theme, 0.6, paper)) };
    this.colours.set(hue, made);
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
    for (const block of app.lit) ring(block, Math.max(2, side / 3));
    if (app.block >= 0) {
      pen.lineWidth = 2;
      pen.strokeRect((app.block % this.columns) * side - 2, Math.floor(app.block / this.columns) * side - 2, side + 3, side + 3);
    }
    this.marked = app.changed.size + app.focusBlocks.size + app.lit.size + (app.block >= 0 ? 1 : 0) > 0;
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

/** The ink of one pixel of a block whose stamp is `inner` pixels wide. */
function inkOf(how, kind, x, y, inner) {
  const edge = x === 0 || y === 0 || x === inner - 1 || y === inner - 1;
  if (how === NULL && x === y) return BLACK;
  if (how === SHARED && x + y >= inner - 1 + (inner >> 2)) return BLACK;
  if (how === USED || how === SHARED) return patterned(kind, x, y) ? SOFT : FULL;
  if (how === CACHED) return (x + y) % 3 === 0 ? FULL : BLANK;
  return how === HELD || edge ? LINE : BLANK;
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
