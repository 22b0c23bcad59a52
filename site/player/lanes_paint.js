// Lanes as a picture: a row of 24 px for each request, or three stacked counts for thousands.

import { number } from "./format.js";
import { css, pattern, rgb } from "./hues.js";

export const ROW = 24;
const BINNED = 120;
const INSET = 4;

/** Draws the whole trace once per size and theme; the cursor is moved by the style alone. */
export class Painter {
  constructor(app, canvas) {
    this.app = app;
    this.canvas = canvas;
    this.signs = new Map();
  }

  paint(width, theme, chosen) {
    const { model } = this.app;
    const binned = chosen !== null;
    const height = binned ? BINNED + (chosen >= 0 ? ROW : 0) : Math.max(1, model.requestCount) * ROW;
    const ratio = devicePixelRatio || 1;
    if (!width) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.setProperty("height", `${height}px`);
    this.pen = this.canvas.getContext("2d");
    this.pen.scale(ratio, ratio);
    this.width = width;
    this.theme = theme;
    this.step = width / model.frameCount;
    const style = getComputedStyle(this.canvas);
    this.quiet = style.getPropertyValue("--quiet");
    this.ink = style.getPropertyValue("--ink");
    this.red = style.getPropertyValue("--red");
    this.line = style.getPropertyValue("--line");
    this.grid(height);
    if (!binned) for (let request = 0; request < model.requestCount; request += 1) this.row(request, request * ROW);
    else {
      this.bins();
      if (chosen >= 0) this.row(chosen, BINNED);
    }
  }

  /** Faint upright lines at round numbers of steps. */
  grid(height) {
    const { frameCount } = this.app.model;
    const unit = [10, 50, 100, 500, 1e3, 5e3, 1e4, 5e4].find((one) => one * this.step > 60) || 1e5;
    this.pen.fillStyle = this.line;
    for (let frame = unit; frame < frameCount; frame += unit) this.pen.fillRect(frame * this.step, 0, 1, height);
  }

  row(request, top) {
    const middle = top + ROW / 2;
    const colour = css(rgb(request, this.theme));
    for (const { from, to, kind } of this.app.model.lane(request)) {
      const x = from * this.step;
      const width = Math.max(1, (to - from) * this.step);
      if (kind === "waiting") this.thin(x, middle, width, this.quiet, false);
      else if (kind === "preempted") this.thin(x, middle, width, this.red, true);
      else this.solid(request, kind, x, top, width, colour);
    }
    this.pen.textAlign = "center";
    this.pen.textBaseline = "middle";
    this.pen.font = "600 12px system-ui, sans-serif";
    for (const [sign, frame] of this.signsOf(request)) this.sign(sign, frame, middle);
  }

  thin(x, y, width, colour, dashed) {
    this.pen.strokeStyle = colour;
    this.pen.lineWidth = 1.5;
    this.pen.setLineDash(dashed ? [3, 3] : []);
    this.pen.beginPath();
    this.pen.moveTo(x, y);
    this.pen.lineTo(x + width, y);
    this.pen.stroke();
    this.pen.setLineDash([]);
  }

  solid(request, kind, x, top, width, colour) {
    const inset = kind === "prefill" ? INSET - 1 : INSET + 3;
    const height = ROW - 2 * inset;
    this.pen.fillStyle = colour;
    this.pen.fillRect(x, top + inset, width, height);
    // The second time round the hues, and on: stripes.
    const stripes = pattern(request);
    this.pen.fillStyle = this.theme === "dark" ? "rgb(0 0 0 / .45)" : "rgb(255 255 255 / .6)";
    for (let at = 4; stripes && at < width; at += 4 + stripes * 2) this.pen.fillRect(x + at, top + inset, 1.5, height);
    if (kind !== "prefill") return;
    // Prefill is taller than decode and has an edge: height, not hue, tells them apart.
    this.pen.strokeStyle = this.ink;
    this.pen.lineWidth = 1;
    this.pen.strokeRect(x + 0.5, top + inset + 0.5, Math.max(1, width - 1), height - 1);
  }

  /** [sign, frame] of what happened to a request; gathered once, from the marked frames. */
  signsOf(request) {
    if (!this.signs.has(request)) this.gather(request);
    return this.signs.get(request);
  }

  gather(request) {
    const { model } = this.app;
    const lane = model.lane(request);
    const found = [];
    lane.forEach((part, at) => {
      if (part.kind !== "preempted") return;
      found.push(["✕", part.from]);
      if (at + 1 < lane.length) found.push(["↻", lane[at + 1].from]);
    });
    const finished = model.finishedFrame(request);
    if (finished >= 0) found.push(["●", finished]);
    for (const frame of this.app.hitsOf(request)) found.push(["◆", frame]);
    this.signs.set(request, found);
  }

  sign(sign, frame, y) {
    // Where steps are narrow, a sign stands on its step, not beside it.
    const x = Math.min(this.width - 6, Math.max(6, (frame + 0.5) * this.step));
    this.pen.lineJoin = "round";
    this.pen.lineWidth = 3;
    this.pen.strokeStyle = this.theme === "dark" ? "rgb(25 27 32)" : "rgb(255 255 255)";
    this.pen.fillStyle = sign === "✕" ? this.red : this.ink;
    this.pen.strokeText(sign, x, y);
    this.pen.fillText(sign, x, y);
  }

  bins() {
    const { model } = this.app;
    const many = Math.max(1, Math.min(Math.floor(this.width), model.frameCount));
    const { waiting, running, preempted } = model.laneBins(0, model.frameCount - 1, many);
    let most = 1;
    for (let at = 0; at < many; at += 1) most = Math.max(most, waiting[at] + running[at] + preempted[at]);
    const scale = (BINNED - 6) / most;
    const wide = this.width / many;
    const running_ = css(rgb(0, this.theme));
    for (let at = 0; at < many; at += 1) {
      let y = BINNED;
      for (const [value, colour] of [[running[at], running_], [preempted[at], this.red], [waiting[at], this.quiet]]) {
        const height = value * scale;
        y -= height;
        this.pen.fillStyle = colour;
        this.pen.fillRect(at * wide, y, Math.max(0.75, wide), height);
      }
    }
    this.pen.fillStyle = this.ink;
    this.pen.font = "12px system-ui, sans-serif";
    this.pen.textAlign = "left";
    this.pen.textBaseline = "top";
    this.pen.fillText(`at most ${number(Math.round(most))} requests at once: running below, waiting above`, 6, 4);
  }
}
