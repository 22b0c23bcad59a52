// The step as a table: all that the picture shows, as text.

import { h, put } from "./dom.js";
import { number, spoken } from "./format.js";

const MOST = 200;
const MOST_BLOCKS = 64;

/** Behind a toggle for the eye; screen readers find it in the same place. */
export class StepTable {
  constructor(app) {
    this.app = app;
    this.body = h("tbody");
    this.caption = h("caption");
    this.more = h("p", { class: "more" });
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
    );
    this.node = h("div", { role: "group", class: "pane table", "aria-label": "Step as a table" }, this.box);
  }

  load() {
    this.body.replaceChildren();
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
    put(this.more, `${rest}Free queue, next first: ${names || "none"}${free.length > MOST_BLOCKS ? " …" : ""}`);
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
