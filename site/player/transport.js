// The controls: play, step, speed, scrubber with the events as ticks, and jumps from event to event.

import { attr, button, h, icon, put } from "./dom.js";
import { number } from "./format.js";
import { SPEEDS } from "./clock.js";

// kind -> [word, sign, row of ticks]. Each kind has a row of its own: no tick is told by colour alone.
const KINDS = {
  preemption: ["preemption", "✕", 0],
  refusal: ["refusal", "■", 1],
  hit: ["prefix hit", "◆", 2],
  eviction: ["eviction", "○", 3],
};
const ROW = 5;

/** The bar under the header. */
export class Transport {
  constructor(app) {
    this.app = app;
    this.play = button(icon("play"), "Play", () => app.clock.toggle(), { class: "play" });
    this.slider = h("input", {
      type: "range",
      class: "slider",
      min: 0,
      step: 1,
      "aria-label": "Step",
      on: { input: () => app.go(Number(this.slider.value), { scrub: true }) },
    });
    this.ticks = h("canvas", { class: "ticks", "aria-hidden": "true" });
    this.where = h("output", { class: "where" });
    this.speed = h(
      "select",
      { "aria-label": "Speed", title: "Speed", class: "speed", on: { change: () => this.setSpeed() } },
      SPEEDS.map((one) => h("option", { value: one, text: `${one}×`, selected: one === 1 })),
    );
    this.kinds = h("div", { class: "kinds", role: "group", "aria-label": "Events" });
    this.node = h(
      "div",
      { role: "group", class: "transport", "aria-label": "Controls" },
      h(
        "div",
        { class: "buttons" },
        button(icon("first"), "First step", () => app.go(app.first)),
        button(icon("back"), "Previous step", () => app.go(app.frame - 1)),
        this.play,
        button(icon("next"), "Next step", () => app.go(app.frame + 1)),
        button(icon("last"), "Last step", () => app.go(app.last)),
        this.where,
        this.speed,
      ),
      h("div", { class: "track" }, this.ticks, this.slider),
      this.kinds,
    );
  }

  load(model) {
    const { first, last } = this.app;
    attr(this.slider, "min", first);
    attr(this.slider, "max", last);
    this.slider.disabled = last <= first;
    this.kinds.replaceChildren(...Object.keys(KINDS).map((kind) => this.kindRow(kind)));
    this.widest = `step ${number(model.step(this.app.end))} of ${number(model.step(this.app.end))}`;
    this.where.style.setProperty("min-width", `${this.widest.length}ch`);
  }

  kindRow(kind) {
    const [word, sign] = KINDS[kind];
    const many = this.app.marks[kind].length;
    const jump = (way) => {
      this.app.kind = kind;
      this.app.jump(way);
    };
    const previous = button("‹", `Previous ${word}`, () => jump(-1));
    const next = button("›", `Next ${word}`, () => jump(1));
    previous.disabled = next.disabled = many === 0;
    const label = h(
      "button",
      {
        type: "button",
        class: "kind",
        title: `The keys [ and ] go from ${word} to ${word}`,
        on: { click: () => this.app.setKind(kind) },
      },
      h("i", { class: `sign sign-${kind}`, "aria-hidden": "true", text: sign }),
      `${word} `,
      h("span", { class: "many", text: number(many) }),
    );
    label.disabled = many === 0;
    return h("div", { class: `kind-row${many ? "" : " none"}`, data: { kind } }, previous, label, next);
  }

  setSpeed() {
    this.app.clock.speed = Number(this.speed.value);
  }

  draw(app) {
    const { model, frame, end } = app;
    if (Number(this.slider.value) !== frame) this.slider.value = String(frame);
    const text = app.frameName(frame);
    attr(this.slider, "aria-valuetext", `${text}. ${app.sentence}`);
    put(this.where, frame === 0 || frame === end ? text : `${text} of ${number(model.step(end))}`);
    for (const row of this.kinds.children) {
      const chosen = row.dataset.kind === app.kind;
      row.classList.toggle("chosen", chosen);
      row.classList.toggle("here", app.at(row.dataset.kind));
      attr(row.children[1], "aria-pressed", String(chosen));
    }
    this.playing(app.clock.playing);
    if (this.ticked !== app.kind) this.resize(app);
  }

  playing(now) {
    if (this.shown !== now) this.play.replaceChildren(icon(now ? "pause" : "play"));
    this.shown = now;
    attr(this.play, "aria-label", now ? "Pause" : "Play");
    attr(this.play, "title", now ? "Pause" : "Play");
    this.play.classList.toggle("on", now);
  }

  /** The ticks, once per size and theme: a row for each kind, at the places of the slider's thumb. */
  resize(app) {
    const width = this.ticks.clientWidth;
    const ratio = devicePixelRatio || 1;
    const height = ROW * 4;
    if (!width) return;
    this.ticks.width = Math.round(width * ratio);
    this.ticks.height = Math.round(height * ratio);
    const pen = this.ticks.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(this.ticks);
    this.ticked = app.kind;
    for (const [kind, [, , row]] of Object.entries(KINDS)) {
      // The kind that the keys [ and ] go through stands tall; the others keep their rows.
      const tall = kind === app.kind;
      pen.fillStyle = style.getPropertyValue(kind === "preemption" || kind === "refusal" ? "--red" : tall ? "--ink" : "--quiet");
      pen.globalAlpha = tall ? 1 : 0.55;
      for (const frame of app.marks[kind]) {
        const x = 8 + ((width - 16) * (frame - app.first)) / Math.max(1, app.last - app.first);
        const left = Math.round(x * ratio) / ratio - (tall ? 1 : 0.75);
        if (tall) pen.fillRect(left, 0, 2, height);
        else pen.fillRect(left, row * ROW, 1.5, ROW - 1);
      }
    }
  }
}
