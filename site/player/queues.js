// Who runs, who waits, who lost its blocks, who is done -> lanes of rows with a bar for each request.

import { arrange, attr, h, put } from "./dom.js";
import { count, number, spoken } from "./format.js";
import { angle, pattern } from "./hues.js";

const MOST = 24;
// Further down a queue, a row could not be seen; how many there are is still told.
const MOST_LOOKED = 120;
const MOST_DONE = 40;
// While a big trace is dragged, only what can be followed by eye is drawn.
const MOST_QUICK = 10;

/** The left column. */
export class Queues {
  constructor(app) {
    this.app = app;
    this.rows = new Map();
    this.parts = {};
    this.node = h("div", { role: "group", class: "pane queues", "aria-label": "Queues" });
    for (const [key, title] of [
      ["running", "Running"],
      ["preempted", "Preempted"],
      ["waiting", "Waiting"],
      ["finished", "Finished"],
    ]) {
      const many = h("span", { class: "many" });
      const list = h("ul", { class: key === "finished" ? "done" : "rows", role: "list" });
      const more = h("p", { class: "more" });
      const part = h("div", { class: `queue queue-${key}` }, h("h2", {}, title, " ", many), list, more);
      this.parts[key] = { many, list, more, part };
      this.node.append(part);
    }
    this.node.append(legend());
  }

  load() {
    this.rows.clear();
    for (const { list } of Object.values(this.parts)) list.replaceChildren();
    this.finished = [];
  }

  draw(app) {
    const { model } = app;
    const most = app.quick ? MOST_QUICK : MOST;
    this.fill("running", Array.from(model.running().subarray(0, most)), model.running().length);
    const waiting = [];
    const preempted = [];
    for (const { name } of model.header.queues) {
      for (const request of model.queue(name).subarray(0, MOST_LOOKED)) {
        const place = model.status(request).preempted ? preempted : waiting;
        if (place.length < most) place.push(request);
      }
    }
    const many = model.laneBins(app.frame, app.frame + 1, 1);
    this.fill("waiting", waiting, many.waiting[0]);
    this.fill("preempted", preempted, many.preempted[0]);
    this.fillDone(app);
  }

  fill(key, requests, total) {
    const { list, many, more, part } = this.parts[key];
    arrange(list, requests.map((request) => this.row(request, key)));
    put(many, number(total));
    part.classList.toggle("empty", total === 0);
    put(more, total > requests.length ? `and ${number(total - requests.length)} more` : "");
  }

  row(request, key) {
    let row = this.rows.get(request);
    if (!row) {
      row = makeRow(this.app, request);
      this.rows.set(request, row);
      if (this.rows.size > 400) this.rows.delete(this.rows.keys().next().value);
    }
    drawRow(this.app, row, request, key);
    return row.node;
  }

  fillDone(app) {
    const { list, many, more, part } = this.parts.finished;
    const total = app.model.finishedCount();
    const done = app.finished(MOST_DONE);
    if (!app.quick) arrange(list, done.map((request) => this.doneChip(request)));
    put(many, number(total));
    part.classList.toggle("empty", total === 0);
    list.style.setProperty("visibility", app.quick ? "hidden" : "visible");
    if (app.quick) return;
    put(more, total > done.length ? `and ${number(total - done.length)} more` : "");
  }

  doneChip(request) {
    const key = -1 - request;
    if (!this.rows.has(key)) {
      const who = this.app.names.who(request, this.app.select, 14);
      this.rows.set(key, { node: h("li", {}, who), who });
    }
    const { node, who } = this.rows.get(key);
    node.classList.toggle("chosen", request === this.app.request);
    attr(who, "aria-pressed", String(request === this.app.request));
    return node;
  }
}

function legend() {
  const item = (name, text) =>
    h("li", {}, h("span", { class: "bar", "aria-hidden": "true", vars: { "--hue": 255 } }, h("span", { class: `bar-part bar-${name}`, vars: { "--part": name === "prompt" ? 0.5 : 1 } })), text);
  return h(
    "ul",
    { class: "bar-legend", role: "list", "aria-label": "Signs in the bars" },
    item("computed", "computed"),
    item("hit", "from the prefix cache"),
    item("again", "lost, to compute again"),
    item("prompt", "end of the prompt"),
  );
}

function makeRow(app, request) {
  const part = (name) => h("span", { class: `bar-part bar-${name}` });
  const parts = { computed: part("computed"), hit: part("hit"), again: part("again"), prompt: part("prompt") };
  const bar = h(
    "span",
    { class: "bar", "aria-hidden": "true", data: { pattern: pattern(request) }, vars: { "--hue": angle(request) } },
    Object.values(parts),
  );
  const who = app.names.who(request, app.select, 18);
  const tokens = h("span", { class: "tokens" });
  const share = h("span", { class: "share" });
  who.append(share, bar, tokens);
  return { node: h("li", {}, who), who, bar, parts, tokens, share };
}

function drawRow(app, row, request, key) {
  const one = app.model.status(request);
  const full = app.fullLength(request);
  const wide = (part, from, length) => {
    part.style.setProperty("--from", String(Math.min(1, from / full)));
    part.style.setProperty("--part", String(Math.max(0, Math.min(1 - from / full, length / full))));
  };
  wide(row.parts.computed, 0, one.computed);
  wide(row.parts.hit, 0, Math.min(one.hit, one.computed));
  wide(row.parts.again, one.computed, Math.max(0, one.recomputed));
  wide(row.parts.prompt, 0, Math.min(one.prompt, full));
  put(row.tokens, `${number(one.computed)}/${number(one.tokens)}`);
  put(row.share, one.share > 0 ? `+${number(one.share)}` : "");
  attr(row.who, "aria-pressed", String(request === app.request));
  row.node.classList.toggle("chosen", request === app.request);
  row.node.classList.toggle("focus", request === app.focus);
  row.node.classList.toggle("new", one.share > 0 && one.admission !== "running" && one.admission !== "");
  row.node.classList.toggle("lost", key === "preempted");
  if (app.quick) return;
  const said = [`${spoken(one.status)}, ${number(one.computed)} of ${count(one.tokens, "token")} computed`];
  if (one.hit) said.push(`${number(one.hit)} of them from the prefix cache`);
  if (one.recomputed) said.push(`${number(one.recomputed)} to compute again after its preemption`);
  if (one.preemptions) said.push(`preempted ${one.preemptions}×`);
  attr(row.who, "aria-label", `${app.names.spoken(request)}: ${said.join(", ")}`);
  attr(row.who, "title", `${said.join("\n")}\nthe bar is ${number(full)} tokens long`);
}
