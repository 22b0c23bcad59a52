// The step as a table: all that the picture shows, as text.

import { h, put } from "./dom.js";
import { number, spoken } from "./format.js";
import { changeText, goneParts, markOf, noBatch, saidOf, slotTexts, tokensText } from "./workers_words.js";

const MOST = 200;
const MOST_BLOCKS = 64;
const MOST_LANES = 16;

/** Behind a toggle for the eye; screen readers find it in the same place. */
export class StepTable {
  constructor(app) {
    this.app = app;
    this.body = h("tbody");
    this.caption = h("caption");
    this.more = h("p", { class: "more" });
    this.workers = h("div", { class: "workers-table" });
    this.summary = h("summary", { text: "This step as a table" });
    const heads = ["request", "status", "tokens now", "computed", "of", "block table"];
    this.box = h(
      "details",
      { class: "as-table", on: { toggle: () => this.draw(app) } },
      this.summary,
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "The step as a table" },
        h("table", {}, this.caption, h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col", text })))), this.body),
      ),
      this.more,
      this.workers,
    );
    this.node = h("div", { role: "group", class: "pane table", "aria-label": "Step as a table" }, this.box);
  }

  load() {
    this.body.replaceChildren();
    this.workers.replaceChildren();
  }

  draw(app) {
    if (!this.box.open || !app.model) return;
    const { model } = app;
    const queues = model.header.queues.flatMap(({ name }) => Array.from(model.queue(name).subarray(0, MOST)));
    const all = [...new Set([...model.running().subarray(0, MOST), ...queues])];
    put(this.caption, `${app.frameName(app.frame)}. ${app.sentence}`);
    this.body.replaceChildren(...all.slice(0, MOST).map((request) => this.row(app, request)));
    const free = app.freeQueue();
    const rest = all.length > MOST ? `${number(all.length - MOST)} more requests. ` : "";
    const names = Array.from(free.subarray(0, MOST_BLOCKS), (block) => app.blockName(block)).join(" ");
    this.drawWorkers(app);
    put(this.more, `${rest}Free queue, next first: ${names || "none"}${free.length > MOST_BLOCKS ? " …" : ""}`);
  }

  /** What each rank ran, and whether it was meant. */
  drawWorkers(app) {
    const { workers } = app.model;
    this.workers.hidden = !workers;
    if (!workers) return;
    const batches = new Map(app.batches().map((one) => [one.lane, one]));
    this.workers.replaceChildren(...workers.lanes.slice(0, MOST_LANES).map((lane, at) => rankTable(app, lane, batches.get(at))));
  }

  row(app, request) {
    const one = app.model.status(request);
    const tables = app.tables(request).map(({ blocks }) => blockText(app, blocks));
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, app.names.who(request, app.select, 30)),
      h("td", { text: spoken(one.status) }),
      h("td", { class: "n", text: number(one.share) }),
      h("td", { class: "n", text: number(one.computed) }),
      h("td", { class: "n", text: number(one.tokens) }),
      h("td", { class: "blocks-text", text: tables.join(" | ") || "none" }),
    );
  }
}

function blockText(app, blocks) {
  const shown = Array.from(blocks.slice(0, MOST_BLOCKS), (block, slot) => {
    const name = app.nulls.has(block) ? "∅" : app.blockName(block);
    const refs = app.model.refs[block];
    return `${slot}→${name}${refs > 1 && !app.nulls.has(block) ? `×${refs}` : ""}`;
  });
  return shown.join(" ") + (blocks.length > MOST_BLOCKS ? " …" : "");
}

/** One rank's batch: a row for each request, in the worker's order. */
function rankTable(app, { rank }, batch) {
  const name = `Rank ${number(rank)}`;
  if (!batch) return h("p", { class: "more", text: `${name}: ${noBatch(app)}` });
  const gone = batch.gone.length ? ` Left the batch: ${goneParts(app, batch.gone, (request) => app.names.spoken(request)).join("")}.` : "";
  const cells = batch.rows.slice(0, MOST).map((row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", text: `${number(row.row)}${row.state >= 0 ? ` (state ${number(row.state)})` : ""}` }),
      h("td", {}, row.request >= 0 ? app.names.who(row.request, app.select, 30) : "not known to the scheduler"),
      h("td", { text: tokensText(row) }),
      h("td", { class: "blocks-text", text: slotTexts(app, row).join(", ") }),
      h("td", { text: changeText(row) }),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": `${name} as a table` },
    h(
      "table",
      {},
      h("caption", {}, `${name}: ${markOf(batch.verdict)[1]}.`, batch.said ? h("bdi", { text: ` ${saidOf(batch)}.` }) : "", gone),
      h("thead", {}, h("tr", {}, ["row", "request", "tokens", "slots", "change"].map((text) => h("th", { scope: "col", text })))),
      h("tbody", {}, cells),
    ),
  );
}
