// The verdicts of all steps -> a line for each rank: thin where all agree, tall where a rank differs.

import { attr, h } from "./dom.js";
import { number } from "./format.js";
import { DIFFERS, IN_PART, SAME } from "./model_workers.js";
import { markOf } from "./workers_words.js";

const MOST = 8;
const ROW = 16;

/** A press goes to the step; whoever has no pointer has the buttons and the key d. */
export class Strip {
  constructor(app) {
    this.app = app;
    this.labels = h("div", { class: "strip-labels", "aria-hidden": "true" });
    this.canvas = h("canvas", { class: "strip-canvas", "aria-hidden": "true" });
    this.cursor = h("span", { class: "lanes-cursor", "aria-hidden": "true" });
    this.plot = h(
      "div",
      { class: "strip-plot", on: { pointerdown: (event) => this.press(event), pointermove: (event) => this.tell(event) } },
      this.canvas,
      this.cursor,
    );
    this.signs = h("ul", { class: "strip-legend", role: "list", "aria-label": "Signs in the strip" });
    this.node = h("div", { class: "verdicts" }, this.labels, this.plot, this.signs);
    this.width = 0;
  }

  load(model) {
    const { lanes } = model.workers;
    this.shown = lanes.slice(0, MOST).map((_, lane) => lane);
    // Of many ranks, those that ever differ are seen first.
    if (lanes.length > MOST) {
      const order = lanes.map((_, lane) => lane).sort((a, b) => lanes[b].differing - lanes[a].differing || a - b);
      this.shown = order.slice(0, MOST).sort((a, b) => a - b);
    }
    this.signs.replaceChildren(...signs(lanes).filter(Boolean));
    this.labels.replaceChildren(...this.shown.map((lane) => h("span", { text: `rank ${number(lanes[lane].rank)}` })));
  }

  resize(app) {
    this.width = this.plot.clientWidth;
    if (!this.width) return;
    const ratio = devicePixelRatio || 1;
    const height = ROW * this.shown.length;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.setProperty("height", `${height}px`);
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(this.canvas);
    const ink = { [SAME]: style.getPropertyValue("--strong"), [DIFFERS]: style.getPropertyValue("--red"), [IN_PART]: style.getPropertyValue("--quiet") };
    // What differs is drawn last, and never narrower than can be seen.
    for (const kind of [SAME, IN_PART, DIFFERS]) this.paint(pen, app.model, kind, ink[kind]);
    this.place(app);
  }

  paint(pen, model, kind, ink) {
    const step = this.width / model.frameCount;
    const [tall, least] = { [SAME]: [3, 0.5], [IN_PART]: [7, 1.5], [DIFFERS]: [ROW - 2, 3] }[kind];
    pen.fillStyle = ink;
    this.shown.forEach((lane, row) => {
      const of = model.workers.verdicts[lane];
      const top = row * ROW + (ROW - tall) / 2;
      for (let frame = 0; frame < of.length; frame++) {
        if (of[frame] !== kind) continue;
        let to = frame + 1;
        while (kind !== DIFFERS && of[to] === kind) to++;
        pen.fillRect(frame * step, top, Math.max(least, (to - frame) * step - (kind === DIFFERS && step > 4 ? 1 : 0)), tall);
        frame = to - 1;
      }
    });
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

  press(event) {
    if (event.button === 0) this.app.go(this.frameAt(event));
  }

  tell(event) {
    const frame = this.frameAt(event);
    const { workers } = this.app.model;
    const said = this.shown.map((lane) => `rank ${number(workers.lanes[lane].rank)} ${markOf(workers.verdicts[lane][frame]).slice(0, 2).join(" ")}`);
    attr(this.plot, "title", `${this.app.frameName(frame)}: ${said.join(", ")}`);
    if (event.buttons === 1 && event.pointerType === "mouse") this.app.go(frame, { scrub: true });
  }
}

/** Only what is to be seen in this trace. */
function signs(lanes) {
  const item = (kind, text) => h("li", {}, h("i", { class: `strip-key strip-${kind}`, "aria-hidden": "true" }), text);
  return [
    item("same", "as scheduled"),
    lanes.some((one) => one.differing) ? item("differs", "differs") : "",
    lanes.some((one) => one.partly) ? item("part", "not fully compared") : "",
    h("li", { text: "slot = block × block size + offset" }),
  ];
}
