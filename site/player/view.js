// The panes of one player, and the header with the sentence of the step.

import { Blocks } from "./blocks.js";
import { Detail } from "./detail.js";
import { arrange, attr, button, h, put } from "./dom.js";
import { count, number } from "./format.js";
import { Lanes } from "./lanes.js";
import { safe } from "./names.js";
import { Queues } from "./queues.js";
import { Step } from "./step.js";
import { StepTable } from "./steptable.js";
import { Transport } from "./transport.js";
import { asNodes } from "./words.js";
import { Workers } from "./workers.js";

const MANY = 300; // requests
const NO_MODEL = "no-model";
const THEME_SIGNS = { auto: "◐", light: "☀", dark: "☾" };

/** Everything inside the shadow root. */
export class View {
  constructor(app, { theme, help }) {
    this.app = app;
    this.transport = new Transport(app);
    this.panes = {
      queues: new Queues(app),
      grid: new Blocks(app),
      step: new Step(app),
      workers: new Workers(app),
      lanes: new Lanes(app),
      table: new StepTable(app),
    };
    this.detail = new Detail(app);
    this.where = h("p", { class: "about" });
    this.themeButton = button("◐", "Theme: auto", theme, { class: "theme" });
    this.helpButton = button("?", "Help and keys", help, { class: "help-button" });
    this.sentence = h("p", { class: "sentence" });
    this.live = h("p", { class: "live", "aria-live": "polite" });
    this.message = h("p", { class: "message", role: "status" });
    this.columns = h("div", { class: "columns" }, this.panes.queues.node, this.panes.grid.node, this.panes.step.node);
    this.stage = h("div", { class: "all-panes" }, this.sentence, this.transport.node, this.columns, this.detail.node, this.panes.workers.node, this.panes.lanes.node, this.panes.table.node);
    this.root = h(
      "div",
      { class: "player", role: "region", "aria-label": "Trace player" },
      h("header", { class: "top" }, this.where, h("div", { class: "top-buttons" }, this.themeButton, this.helpButton)),
      this.message,
      this.stage,
      this.live,
    );
    this.stage.hidden = true;
  }

  say(text, hurts = false) {
    put(this.message, text);
    this.message.classList.toggle("hurts", hurts);
    this.message.hidden = text === "";
    if (text) this.stage.hidden = true;
  }

  show(wanted) {
    for (const [name, pane] of Object.entries(this.panes)) pane.node.hidden = !wanted.includes(name);
    this.detailed = wanted.includes("detail");
    this.columns.hidden = ["queues", "grid", "step"].every((name) => !wanted.includes(name));
    this.columns.dataset.panes = ["queues", "grid", "step"].filter((name) => wanted.includes(name)).join(" ");
  }

  load(model) {
    this.say("");
    this.stage.hidden = false;
    this.where.replaceChildren(...about(model.header, model));
    for (const pane of this.all()) pane.load(model);
    this.drawn = null;
  }

  all() {
    return [this.transport, ...Object.values(this.panes), this.detail];
  }

  resize() {
    for (const pane of this.all()) if (!pane.node.hidden) pane.resize?.(this.app);
  }

  draw() {
    this.tell();
    for (const pane of this.all()) if (pane !== this.detail && !pane.node.hidden) pane.draw(this.app);
    if (this.detailed) this.detail.draw(this.app);
    else this.detail.node.hidden = true;
  }

  tell() {
    const { app } = this;
    // The same sentence for the same frame: focus stays on a name while it is drawn again.
    if (this.drawn === app.clauses) return;
    this.drawn = app.clauses;
    arrange(
      this.sentence,
      app.clauses.map(({ parts, hurts }, at) =>
        h("span", { class: `clause${hurts ? " hurts" : ""}${at === 0 ? " first" : ""}` }, asNodes(parts, app.names, app.select), " "),
      ),
    );
  }

  /** Whether what a person cannot follow is left out: while a big trace is dragged or played. */
  quick(now) {
    this.root.classList.toggle("quick", now);
    this.app.quick = now && this.app.model.requestCount > MANY;
  }

  settled() {
    if (this.app.clock.playing) return;
    const whole = !this.app.quick;
    this.quick(false);
    if (!whole) this.draw();
    put(this.live, `${this.app.frameName(this.app.frame)}. ${this.app.sentence}`);
  }

  themed(asked) {
    put(this.themeButton, THEME_SIGNS[asked] || THEME_SIGNS.auto);
    attr(this.themeButton, "aria-label", `Theme: ${asked}`);
    attr(this.themeButton, "title", `Theme: ${asked}`);
  }

  find() {
    if (!this.panes.lanes.node.hidden) this.panes.lanes.focusSearch();
  }
}

/** Model, release, device, requests, blocks, date: what is on show. */
function about(header, model) {
  const size = header.tables[0]?.block_size;
  const name = String(header.model || "").split("/").filter(Boolean).pop() || "trace";
  // The bed of `pagewalk.bed.scheduler`: no engine was live.
  const alone = name === NO_MODEL;
  const date = safe(header.recorded || "", 40).slice(0, 10);
  const blocks = count(model.blockCount, "block");
  const parts = [
    h("b", {}, h("bdi", { text: alone ? "scheduler alone" : safe(name, 40) })),
    header.dp_rank ? `rank ${number(header.dp_rank)}` : "",
    header.release ? `vLLM ${safe(header.release, 30)}` : "",
    alone ? "" : safe(header.device || "", 30),
    count(model.requestCount, "request"),
    size ? `${blocks} of ${number(size)} tokens` : blocks,
    date ? `recorded ${alone ? "" : "live "}${date}` : "",
  ].filter(Boolean);
  return parts.flatMap((one, at) => (at ? [" · ", one] : [one]));
}
