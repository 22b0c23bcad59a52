// One step -> its token budget, who lost blocks to whom, who was passed over, and every fact with its source line.

import { exitSentence } from "./exits.js";
import { arrange, h, put } from "./dom.js";
import { count, listed, number } from "./format.js";
import { angle, pattern } from "./hues.js";
import { letter, safe } from "./names.js";
import { asNodes, factParts, prefills } from "./words.js";

const MOST_SHARES = 48;
const MOST_LIMITS = 14;
const MOST_NAMED = 12;
const MOST_EXITS = 8;
const MOST_FACTS = 60;

/** The right column. */
export class Step {
  constructor(app) {
    this.app = app;
    this.title = h("h2", { text: "This step" });
    this.budgetText = h("p", { class: "budget-text" });
    this.budget = h("div", { class: "budget", role: "list", "aria-label": "Token budget of the step" });
    this.parts = h("ul", { class: "shares", role: "list", "aria-label": "Tokens of each request" });
    this.swaps = h("div", { class: "swaps" });
    this.exits = h("ul", { class: "exits", role: "list" });
    this.exitsTitle = h("h3", { text: "Passed over" });
    this.summary = h("summary");
    this.list = h("ol", { class: "facts" });
    this.limits = h("dl", { class: "limits" });
    this.all = h("details", { class: "all", on: { toggle: () => this.facts(app) } }, this.summary, this.list);
    this.node = h(
      "div",
      { role: "group", class: "pane step", "aria-label": "This step" },
      this.title,
      this.budgetText,
      this.budget,
      this.parts,
      this.swaps,
      this.exitsTitle,
      this.exits,
      this.all,
      this.limits,
    );
  }

  load(model) {
    this.limits.replaceChildren(...limits(model.header.settings || {}));
    this.bars = new Map();
    this.told = -1;
  }

  draw(app) {
    put(this.title, app.frameName(app.frame, true));
    this.drawBudget(app);
    this.told = -1;
    const facts = app.facts;
    this.drawSwaps(app, facts.filter((one) => one.kind === "preempted"));
    this.drawExits(app, facts.filter((one) => one.kind === "exit"));
    this.limits.hidden = app.frame !== 0;
    put(this.summary, `All facts of this step (${number(facts.length)}), with source lines`);
    this.all.hidden = facts.length === 0;
    if (this.all.open) this.facts(app);
  }

  drawBudget(app) {
    const { used, budget } = app.model.budget;
    const shares = app.shares;
    const there = budget > 0;
    this.budgetText.hidden = !there;
    this.budget.hidden = !there;
    this.parts.hidden = !there;
    if (!there) return;
    const requests = count(shares.length, "request");
    put(this.budgetText, `${number(used)} of ${number(budget)} tokens of the budget, to ${requests}`);
    // What is thinner than a line goes together.
    const shown = shares.length > MOST_SHARES ? shares.filter((one) => one.tokens / budget > 0.01).slice(0, MOST_SHARES) : shares;
    const made = shown.map((one) => this.bar(app, one, budget));
    const rest = used - shown.reduce((sum, one) => sum + one.tokens, 0);
    const others = count(shares.length - shown.length, "request");
    if (rest > 0) made.push(this.block("rest", others, rest, budget, `${number(rest)} tokens to ${others}`));
    if (used < budget) made.push(this.block("left", "", budget - used, budget, `${number(budget - used)} tokens left over`));
    arrange(this.budget, made);
    const named = shares.slice(0, MOST_NAMED);
    this.parts.replaceChildren(
      ...named.map(({ request, tokens }) => h("li", {}, this.app.names.chip(request), `+${number(tokens)}`)),
      ...(shares.length > named.length ? [h("li", { text: `and ${number(shares.length - named.length)} more` })] : []),
    );
  }

  bar(app, share, budget) {
    const { request, tokens, drafts } = share;
    if (!this.bars.has(request)) {
      if (this.bars.size > 500) this.bars.clear();
      const made = h("span", { class: "part", role: "listitem", data: { pattern: pattern(request) }, vars: { "--hue": angle(request) } });
      this.bars.set(request, made);
    }
    const node = this.bars.get(request);
    node.style.setProperty("--part", String(tokens / budget));
    const kind = prefills(app.model, share) ? "prefill" : "decode";
    put(node, tokens / budget > 0.09 ? `${letter(request)} ${number(tokens)}` : tokens / budget > 0.035 ? letter(request) : "");
    const text = `${app.names.spoken(request)}: ${count(tokens, "token")}, ${kind}${drafts ? `, ${number(drafts)} of them drafts` : ""}`;
    node.title = text;
    node.setAttribute("aria-label", text);
    return node;
  }

  block(name, text, tokens, budget, label) {
    return h("span", { class: `part ${name}`, role: "listitem", title: label, "aria-label": label, vars: { "--part": tokens / budget }, text: tokens / budget > 0.12 ? text : "" });
  }

  drawSwaps(app, facts) {
    this.swaps.replaceChildren(
      ...facts.slice(0, 6).map((fact) => {
        const { request, other, values } = fact;
        const grows = other >= 0 && other !== request;
        return h(
          "div",
          { class: "swap" },
          h("p", { class: "arrow" }, grows ? [app.names.who(other, app.select, 16), h("span", { class: "takes", text: "takes the blocks of" })] : h("span", { class: "takes", text: "preempted:" }), app.names.who(request, app.select, 16)),
          h("p", { class: "fine" }, values.computed > 0 ? `✕ ${count(values.computed, "computed token")} lost; what is still cached may be hit again. ` : "✕ no computed token lost. ", link(app, fact)),
        );
      }),
    );
  }

  drawExits(app, facts) {
    const groups = new Map();
    const refusals = new Map(app.facts.filter((one) => one.kind === "refused").map((one) => [one.request, one.values]));
    for (const fact of facts) {
      const refusal = refusals.get(fact.request);
      const kind = exitKind(fact.values, refusal);
      if (kind === "queue_empty") continue;
      if (!groups.has(kind)) groups.set(kind, []);
      groups.get(kind).push(fact);
    }
    const shown = [...groups].slice(0, MOST_EXITS);
    this.exitsTitle.hidden = shown.length === 0;
    this.exits.replaceChildren(
      ...shown.map(([kind, mine]) => {
        const requests = [...new Set(mine.map((one) => one.request).filter((one) => one >= 0))];
        const who = listed(requests.map((one) => app.names.who(one, app.select, 14)), 3);
        const numbers = compared({ ...mine[0].values, ...refusals.get(mine[0].request) });
        return h(
          "li",
          {},
          h("p", {}, who.length ? [...who, ": "] : "", exitSentence(kind)),
          h("p", { class: "fine" }, numbers ? h("span", { class: "numbers", text: numbers }) : "", link(app, mine[0])),
        );
      }),
    );
  }

  /** The list of all facts, only while someone looks at it. */
  facts(app) {
    if (!this.all.open || this.told === app.frame || !app.model) return;
    this.told = app.frame;
    const shown = app.facts.slice(0, MOST_FACTS);
    const rest = app.facts.length - shown.length;
    this.list.replaceChildren(
      ...shown.map((fact) => h("li", {}, h("span", {}, fact.kind === "exit" ? exitLine(app, fact) : asNodes(factParts(fact), app.names, app.select)), " ", link(app, fact))),
      ...(rest > 0 ? [h("li", { class: "more", text: `and ${number(rest)} more` })] : []),
    );
  }
}

/** What the engine was told before it began: its limits, as far as the trace has them. */
function limits(settings) {
  return Object.entries(settings)
    .filter(([, value]) => value !== null && value !== "")
    .slice(0, MOST_LIMITS)
    .flatMap(([name, value]) => [h("dt", { text: safe(name, 40) }), h("dd", { text: typeof value === "number" ? number(value) : safe(String(value), 40) })]);
}

function exitLine(app, fact) {
  const sentence = exitSentence(fact.values.kind_name);
  return fact.request >= 0 ? [app.names.who(fact.request, app.select), `: ${sentence}`] : [sentence];
}

/** A refusal of the whole sequence says more than that there are no blocks. */
function exitKind({ kind_name: kind, loop }, refusal) {
  return kind === "no_blocks" && loop === "waiting" && refusal?.full_sequence ? "full_sequence_blocks" : kind;
}

/** The two numbers that decided, where the engine said them. */
function compared({ required, available }) {
  if (typeof required === "number" && typeof available === "number") return `${count(required, "block")} needed, ${number(available)} free`;
  return "";
}

/** A link to the source line behind a fact; nothing is fetched before someone follows it. */
function link(app, fact) {
  const source = app.model.source(fact);
  if (!source || !source.file) return "";
  const file = source.file.split("/").pop();
  const text = source.line ? `${file}:${source.line}` : source.symbol || file;
  const title = `${source.symbol || ""} ${source.file}${source.line ? `:${source.line}` : ""}`.trim();
  if (!/^https:\/\//.test(source.url || "")) return h("code", { class: "source", title, text });
  return h("a", { class: "source", href: source.url, rel: "noopener noreferrer", target: "_blank", title, text: `${text} ↗` });
}
