// What was chosen -> its story: a request's numbers and hops between processes, a block's life.

import { button, h } from "./dom.js";
import { describe } from "./cells.js";
import { count, duration, number, spoken } from "./format.js";
import { safe } from "./names.js";

const MOST = 80;
const LIFE = {
  taken: "taken",
  shared: "shared",
  dropped: "left",
  freed: "given back",
  cached: "full: from now on it can be hit",
  evicted: "its cached content is forgotten",
};

/** The pane for the chosen request and block. */
export class Detail {
  constructor(app) {
    this.app = app;
    this.request = h("div", { class: "card-request" });
    this.block = h("div", { class: "card-block" });
    this.node = h("div", { role: "group", class: "pane detail", "aria-label": "What is chosen", hidden: true }, this.request, this.block);
  }

  load() {
    this.ofRequest = -1;
    this.ofBlock = -1;
    this.request.replaceChildren();
    this.block.replaceChildren();
  }

  draw(app) {
    this.node.hidden = app.request < 0 && app.block < 0;
    if (this.ofRequest !== app.request) {
      this.ofRequest = app.request;
      this.marks = [];
      this.request.replaceChildren(...(app.request >= 0 ? this.requestCard(app, app.request) : []));
    }
    if (this.ofBlock !== app.block) {
      this.ofBlock = app.block;
      this.blockMarks = [];
      this.block.replaceChildren(...(app.block >= 0 ? this.blockCard(app, app.block) : []));
    }
    if (app.request >= 0) this.state.textContent = stateText(app, app.request);
    if (app.block >= 0) this.now.textContent = `Now: ${describe(app, app.block).replace(/^block \S+: /, "")}.`;
    for (const [node, from, to] of [...(this.marks || []), ...(this.blockMarks || [])]) {
      node.classList.toggle("now", app.frame >= from && app.frame <= to);
    }
  }

  requestCard(app, request) {
    const { model, names } = app;
    const internal = model.name(request);
    const external = model.external(request);
    const one = model.request(request);
    this.state = h("p", { class: "state" });
    const facts = [count(one.prompt, "prompt token")];
    if (one.maxTokens) facts.push(`at most ${number(one.maxTokens)} to generate`);
    if (one.priority) facts.push(`priority ${one.priority}`);
    if (one.lora) facts.push(`LoRA ${safe(one.lora, 40)}`);
    if (one.finishedStatus) facts.push(`ends: ${spoken(one.finishedStatus)}`);
    return [
      h(
        "div",
        { class: "card-head" },
        h("h2", {}, "Request ", names.chip(request), " ", h("bdi", { text: names.short(request, 40), title: safe(internal) })),
        button("copy id", "Copy the request's id", (event) => copy(event.currentTarget, internal), { class: "copy" }),
        button("✕", "Choose no request", () => app.select(-1), { class: "close" }),
      ),
      external && external !== internal ? h("p", { class: "quiet" }, "the engine calls it ", h("bdi", { text: safe(internal, 60) })) : "",
      h("p", { class: "quiet", text: facts.join(" · ") }),
      this.state,
      h("h3", { text: "In the scheduler" }),
      this.phases(app, request),
      h("h3", { text: "From process to process" }),
      hops(app, request),
    ];
  }

  phases(app, request) {
    const rows = app.model.lane(request).slice(0, MOST).map(({ from, to: end, kind }) => {
      const to = Math.max(from, end - 1);
      const steps = from === to ? app.frameName(from) : `${app.frameName(from).replace(/^step/, "steps")} to ${app.frameName(to).replace(/^step /, "")}`;
      const took = duration(app.model.time(Math.min(end, app.end)) - app.model.time(from));
      const node = h("li", { class: `phase phase-${kind}` }, jump(app, from, steps), h("span", { class: "what", text: kind }), h("span", { class: "took", text: took }));
      this.marks.push([node, from, to]);
      return node;
    });
    return h("ol", { class: "phases", role: "list" }, rows.length ? rows : h("li", { class: "quiet", text: "It never reached the scheduler." }));
  }

  blockCard(app, block) {
    const life = app.model.blockLife(block);
    this.now = h("p", { class: "state" });
    const shown = life.length > MOST ? life.slice(-MOST) : life;
    const rows = shown.map(({ frame, what, request }, at) => {
      const node = h(
        "li",
        {},
        jump(app, frame, app.frameName(frame)),
        h("span", { class: "what" }, LIFE[what] || what, request >= 0 && what !== "cached" && what !== "evicted" ? [what === "shared" ? " with " : " by ", app.names.who(request, app.select, 16)] : ""),
      );
      const next = shown.slice(at + 1).find((one) => one.frame > frame);
      this.blockMarks.push([node, frame, next ? next.frame - 1 : app.end]);
      return node;
    });
    return [
      h("div", { class: "card-head" }, h("h2", {}, `Block ${app.blockName(block)}`), button("✕", "Choose no block", () => app.choose(-1), { class: "close" })),
      this.now,
      h("h3", { text: life.length > MOST ? `Its life, the last ${MOST} of ${number(life.length)} events` : "Its life" }),
      h("ol", { class: "life", role: "list" }, rows.length ? rows : h("li", { class: "quiet", text: "Nothing ever happened to it." })),
    ];
  }
}

function stateText(app, request) {
  const one = app.model.status(request);
  if (!one) return "Now: the engine does not know it yet.";
  const parts = [`${spoken(one.status) || "not here yet"}`, `${number(one.computed)} of ${count(one.tokens, "token")} computed`];
  if (one.hit) parts.push(`${number(one.hit)} came from the prefix cache`);
  if (one.recomputed) parts.push(`${number(one.recomputed)} to compute again`);
  if (one.share) parts.push(`${count(one.share, "token")} in this step`);
  if (one.preemptions) parts.push(`preempted ${one.preemptions === 1 ? "once" : `${one.preemptions} times`}`);
  return `Now: ${parts.join(" · ")}`;
}

function jump(app, frame, text) {
  return h("button", { type: "button", class: "jump", text, on: { click: () => app.go(frame) } });
}

/** The moments of a request over all processes: when, where, what, and how long until the next. */
function hops(app, request) {
  const all = app.model.moments(request);
  if (!all.length) return h("p", { class: "quiet", text: "The trace has none of its moments." });
  const start = all[0].t;
  let place = "";
  return h(
    "ol",
    { class: "hops", role: "list" },
    all.slice(0, MOST).map((one, at) => {
      const where = `${one.role || ""} ${one.process ?? ""}`.trim();
      const fresh = where !== place;
      const hop = fresh && place !== "";
      place = where;
      const since = at === 0 ? "" : `+${duration(one.t - all[at - 1].t)}`;
      return h(
        "li",
        { class: hop ? "hop" : "" },
        h("span", { class: "at", text: at === 0 ? "0" : `+${duration(one.t - start)}` }),
        h("span", { class: "process", text: fresh ? where : "" }),
        h("span", { class: "what", text: one.what }),
        h("span", { class: "took", text: since }),
      );
    }),
  );
}

async function copy(node, text) {
  try {
    await navigator.clipboard.writeText(text);
    node.textContent = "copied";
  } catch {
    node.textContent = "not allowed";
  }
}
