// What each rank ran in the step -> a lane of rows with their slots, a mark, and a strip over all steps.

import { arrange, attr, button, h, put } from "./dom.js";
import { number } from "./format.js";
import { DIFFERS, NONE } from "./model_workers.js";
import { safe } from "./names.js";
import { Strip } from "./workers_strip.js";
import { blocksOf, changeText, goneParts, markOf, noBatch, saidOf, slotTexts, summary, tokensText } from "./workers_words.js";

const MOST_LANES = 16;
const MOST_ROWS = 32;
const MOST_QUICK = 8;
const MOST_KEPT = 600;

/** The pane of the workers. */
export class Workers {
  constructor(app) {
    this.app = app;
    this.told = h("p", { class: "workers-told" });
    this.previous = button("‹", "Previous step that differs", () => app.differ(-1));
    this.next = button("›", "Next step that differs", () => app.differ(1));
    this.many = h("span", { class: "many" });
    this.jumps = h(
      "div",
      { class: "kind-row differing", role: "group", "aria-label": "Steps that differ", title: "The key d goes on, shift d back" },
      this.previous,
      h("span", { class: "kind" }, h("i", { class: "sign sign-differs", "aria-hidden": "true", text: "≠" }), "differs ", this.many),
      this.next,
    );
    this.strip = new Strip(app);
    this.ranks = h("div", { class: "ranks", role: "region", "aria-label": "Rows of each rank", tabindex: 0 });
    this.none = h("p", { class: "more", text: "No worker of this trace recorded its batches." });
    this.node = h(
      "div",
      { role: "group", class: "pane workers", "aria-label": "Workers" },
      h("div", { class: "workers-head" }, h("h2", { text: "What the workers ran" }), this.told, this.jumps),
      this.strip.node,
      this.ranks,
      this.none,
    );
    this.node.hidden = true;
  }

  load(model) {
    const { workers } = model;
    this.drawn = "";
    this.who = new Map();
    for (const one of [this.jumps, this.strip.node, this.ranks]) one.hidden = !workers;
    this.none.hidden = workers !== null;
    this.ranks.replaceChildren();
    put(this.told, workers ? summary(this.app) : "");
    if (!workers) return;
    this.lanes = workers.lanes.map((one) => makeLane(one));
    this.ranks.style.setProperty("--most", String(Math.min(workers.mostRows, MOST_ROWS)));
    put(this.many, number(this.app.differing.length));
    this.jumps.classList.toggle("none", this.app.differing.length === 0);
    this.strip.load(model);
  }

  resize(app) {
    if (app.model.workers) this.strip.resize(app);
  }

  draw(app) {
    const { workers } = app.model;
    if (!workers) return;
    this.strip.place(app);
    const { frame, differing } = app;
    this.previous.disabled = !differing.length || differing[0] >= frame;
    this.next.disabled = !differing.length || differing.at(-1) <= frame;
    const key = `${frame} ${app.request} ${app.quick}`;
    if (this.drawn === key) return;
    this.drawn = key;
    const batches = new Map(app.batches().map((one) => [one.lane, one]));
    const shown = this.shown(workers, frame);
    arrange(this.ranks, shown.map((lane) => this.lane(app, lane, batches.get(lane), workers.verdicts[lane][frame])));
  }

  /** The lanes to show: all, or as many as fit, those that differ before the others. */
  shown(workers, frame) {
    const all = workers.lanes.map((_, lane) => lane);
    if (all.length <= MOST_LANES) return all;
    const differs = all.filter((lane) => workers.verdicts[lane][frame] === DIFFERS);
    const rest = all.filter((lane) => !differs.includes(lane));
    return [...differs, ...rest].slice(0, MOST_LANES).sort((a, b) => a - b);
  }

  lane(app, lane, batch, verdict) {
    const made = this.lanes[lane];
    const [sign, words, name] = markOf(batch ? verdict : NONE);
    attr(made.mark, "class", `mark mark-${name}`);
    put(made.sign, sign);
    put(made.word, words);
    made.mark.hidden = !batch && app.shares.length === 0;
    const rows = batch ? batch.rows.slice(0, app.quick ? MOST_QUICK : MOST_ROWS) : [];
    arrange(made.rows, rows.map((row) => this.row(app, lane, row, batch.about)));
    const rest = (batch?.rows.length ?? 0) - rows.length;
    put(made.more, batch ? (rest > 0 ? `and ${number(rest)} more rows` : "") : noBatch(app));
    made.said.replaceChildren(...(batch?.said ? [h("bdi", { text: `${saidOf(batch)}.` })] : []));
    made.gone.replaceChildren(...(batch?.gone.length ? ["Left the batch: ", ...goneParts(app, batch.gone, (request) => app.names.chip(request)), "."] : []));
    put(made.note, note(app, batch));
    return made.node;
  }

  row(app, lane, row, about) {
    const made = this.kept(app, lane, row);
    made.blocks = blocksOf(app, row);
    put(made.state, row.state >= 0 ? `state ${number(row.state)}` : "");
    const strays = row.request >= 0 && row.request === about;
    put(made.number, `${strays ? "≠ " : ""}row ${number(row.row)}`);
    made.number.classList.toggle("hurts", strays);
    put(made.tokens, tokensText(row));
    const slots = slotTexts(app, row);
    if (made.slots.children.length !== slots.length) made.slots.replaceChildren(...slots.map(() => h("span")));
    slots.forEach((text, at) => put(made.slots.children[at], text));
    put(made.change, changeText(row));
    attr(made.node, "data-change", row.change);
    const chosen = row.request >= 0 && row.request === app.request;
    made.node.classList.toggle("chosen", chosen);
    if (row.request >= 0) attr(made.who, "aria-pressed", String(chosen));
    return made.node;
  }

  /** One row for each request of a lane: focus stays on it while its numbers change. */
  kept(app, lane, { request, row }) {
    const key = request >= 0 ? `${lane} ${request}` : `${lane} r${row}`;
    if (!this.who.has(key)) {
      if (this.who.size > MOST_KEPT) this.who.delete(this.who.keys().next().value);
      this.who.set(key, makeRow(app, request));
    }
    return this.who.get(key);
  }
}

function makeLane({ rank, process, runner }) {
  const sign = h("span", { "aria-hidden": "true" });
  const word = h("span");
  const mark = h("span", { class: "mark" }, sign, " ", word);
  const rows = h("ol", { class: "batch", role: "list", "aria-label": `Rows of rank ${number(rank)}` });
  const [said, gone, more, note] = ["said hurts", "gone", "more", "note"].map((name) => h("p", { class: name }));
  const head = h("h3", {}, h("b", { text: `rank ${number(rank)}` }), h("span", { text: ` process ${process} · runner ${safe(runner, 12)}` }), mark);
  const node = h("div", { class: "rank", role: "group", "aria-label": `Rank ${number(rank)}` }, head, said, rows, more, gone, note);
  return { node, mark, sign, word, rows, said, gone, more, note };
}

function makeRow(app, request) {
  const part = (name) => h("span", { class: name });
  const [place, state, tokens, slots, change] = ["row-number", "row-state", "row-tokens", "row-slots", "row-change"].map(part);
  const who = request >= 0 ? app.names.who(request, app.select, 18) : h("span", { class: "quiet", text: "not known to the scheduler" });
  const made = { who, number: place, state, tokens, slots, change, blocks: [] };
  const light = () => app.light(made.blocks);
  const dark = () => app.light([]);
  made.node = h("li", { on: { pointerenter: light, pointerleave: dark, focusin: light, focusout: dark } }, h("span", { class: "row-place" }, place, state), who, tokens, slots, change);
  return made;
}

/** What must be known to read the lane. */
function note(app, batch) {
  if (!batch) return "";
  const said = [];
  if (batch.worked) said.push("Only the device knows these slots: they are worked out from the worker's own block table.");
  if (batch.since >= 0 && batch.since < app.frame - 1) said.push(`Changes are those since ${app.frameName(batch.since)}, its batch before.`);
  return said.join(" ");
}
