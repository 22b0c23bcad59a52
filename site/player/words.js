// Facts of a step -> sentences. A sentence is a list of parts: text, or {request} for a name.
// Nothing is said that no event says; what is not known is left out.

import { count, listed, number, spoken } from "./format.js";
import { DIFFERS } from "./model_workers.js";
import { safe } from "./names.js";

const who = (request) => ({ request });
const names = (requests, most = 3) => listed(requests.map(who), most);
const are = (requests) => (requests.length === 1 ? "is" : "are");
const verb = (requests, one, many) => (requests.length === 1 ? one : many);

/** What happened in the frame -> {clauses: [{parts, hurts}], subject: request or -1}. */
export function tell(model, frame) {
  const facts = model.facts(frame);
  const of = (kind) => facts.filter((one) => one.kind === kind);
  if (model.unknown) {
    const parts = [`The engine's state is not known here: ${sentence(model.unknown)}`];
    return { clauses: [...strays(model, frame), { parts, hurts: true }], subject: -1 };
  }
  const found = [
    ...preemptions(of("preempted")),
    ...admissions(model, of("hit")),
    ...finishes(of("finished")),
    ...refusals(model, frame, of("refused")),
    ...others(of),
    ...arrivals(model, frame, of("enqueued")),
    ...evictions(of("evicted")),
  ];
  if (!found.some((one) => one.subject !== undefined || one.main)) {
    found.unshift(...quiet(model, frame).map((one) => ({ ...one, quiet: true })));
  }
  const subject = found.find((one) => one.subject !== undefined);
  return { clauses: [...strays(model, frame), ...found], subject: subject ? subject.subject : -1 };
}

/** Ranks that ran something else than the scheduler meant; how, the pane of the workers tells. */
function strays(model, frame) {
  const ranks = (model.workers?.lanes ?? []).filter((_, lane) => model.workers.verdicts[lane][frame] === DIFFERS);
  if (!ranks.length) return [];
  const who = `Worker ${ranks.length === 1 ? "rank" : "ranks"} ${listed(ranks.map(({ rank }) => number(rank)), 3).join("")}`;
  return [{ parts: [`${who} did not run what the scheduler meant.`], hurts: true }];
}

/** The text with a full stop, and nothing in it that could hide or turn the line around. */
function sentence(text) {
  return `${safe(text, 300).replace(/\.$/, "")}.`;
}

function preemptions(facts) {
  return facts.map(({ request, other, values }) => {
    const lost = values.computed > 0 ? ` It loses its blocks and ${count(values.computed, "computed token")}.` : "";
    const parts =
      other >= 0 && other !== request
        ? [who(request), " is preempted so that ", who(other), " can grow.", lost]
        : [who(request), " is preempted.", lost];
    return { parts, hurts: true, subject: other >= 0 ? other : request };
  });
}

function admissions(model, hits) {
  const shares = model.shares().filter((one) => one.admission === "new" || one.admission === "resumed");
  const found = [];
  for (const kind of ["new", "resumed"]) {
    const mine = shares.filter((one) => one.admission === kind).map((one) => one.request);
    const lucky = mine.map((request) => hits.find((one) => one.request === request && one.values.hit > 0));
    const plain = mine.filter((_, at) => !lucky[at]);
    lucky.filter(Boolean).forEach((fact) => found.push({ parts: luck(fact, kind), subject: fact.request }));
    if (plain.length) {
      const word = kind === "new" ? "admitted" : "resumed";
      found.push({ parts: [...names(plain), ` ${are(plain)} ${word}.`], subject: plain[0] });
    }
  }
  return found;
}

function luck({ request, values }, kind) {
  const part = values.tokens ? `${number(values.hit)} of its ${number(values.tokens)} tokens` : count(values.hit, "token");
  const word = kind === "new" ? "is admitted" : "is resumed";
  return [who(request), ` ${word}: ${part} were in the prefix cache and need no computing.`];
}

function finishes(facts) {
  if (!facts.length) return [];
  const mine = facts.map((one) => one.request);
  const parts = [...names(mine), ` ${verb(mine, "finishes", "finish")}`];
  if (facts.length === 1 && facts[0].values.status) parts.push(` (${spoken(facts[0].values.status)})`);
  return [{ parts: [...parts, "."], main: true }];
}

/** Only what begins to be refused: a request that stays refused is told in the step's pane. */
function refusals(model, frame, facts) {
  const before = new Set(
    (frame > 0 ? model.facts(frame - 1) : []).filter((one) => one.kind === "refused").map((one) => one.request),
  );
  const lost = new Set(model.facts(frame).filter((one) => one.kind === "preempted").map((one) => one.other));
  return facts
    .filter((one) => !before.has(one.request) && !lost.has(one.request))
    .map(({ request, values }) => ({ parts: [who(request), ...needs(values)], hurts: true, main: true }));
}

/** " waits: it needs 4 blocks and 2 are free." as far as the numbers are known. */
function needs({ required, available }) {
  if (typeof required !== "number" || typeof available !== "number") return [" gets no blocks and waits."];
  return [` waits: it needs ${count(required, "block")} and ${number(available)} ${available === 1 ? "is" : "are"} free.`];
}

function others(of) {
  const found = [];
  if (of("reset").length) found.push({ parts: ["The prefix cache is reset."], main: true });
  for (const one of of("paused")) {
    const state = spoken(one.values.state);
    found.push({ parts: [state === "unpaused" ? "The scheduler goes on." : `The scheduler is paused (${state}).`], main: true });
  }
  return found;
}

function arrivals(model, frame, facts) {
  if (!facts.length) return [];
  const mine = facts.map((one) => one.request);
  return [{ parts: [...names(mine), ` ${verb(mine, "arrives", "arrive")}.`] }];
}

function evictions(facts) {
  const blocks = new Set(facts.flatMap((one) => one.values.blocks || []));
  if (!blocks.size) return [];
  const [first] = blocks;
  const what = blocks.size === 1 ? `Block ${first} loses its` : `${number(blocks.size)} blocks lose their`;
  return [{ parts: [`${what} cached content: ${blocks.size === 1 ? "it is" : "they are"} handed out again.`] }];
}

/** Nothing happened to anyone: what the step computes. */
function quiet(model, frame) {
  const shares = model.shares();
  if (frame === 0) {
    const free = model.owner.every((one) => one < 0);
    return [{ parts: [free ? "Before the first step: no request holds a block. Press play." : "Before the first step. Press play."] }];
  }
  if (!shares.length) {
    const end = frame === model.frameCount - 1;
    return [{ parts: [end ? "The end of the trace." : "No request gets tokens in this step."] }];
  }
  const filling = shares.filter((one) => prefills(model, one));
  const rest = shares.length - filling.length;
  const found = filling.slice(0, 2).map(({ request, tokens }) => {
    const { computed, prompt } = model.status(request);
    const done = Math.min(computed, prompt);
    return {
      parts: [who(request), ` computes ${count(tokens, "token")} of its prompt (${number(done)} of ${number(prompt)} done).`],
      subject: request,
    };
  });
  if (filling.length > 2) found.push({ parts: [`${number(filling.length - 2)} more compute parts of their prompts.`] });
  if (rest) found.push(decoding(shares, filling, rest));
  return found;
}

function decoding(shares, filling, rest) {
  const mine = shares.filter((one) => !filling.includes(one));
  const one = mine.every((share) => share.tokens === 1) ? "one token" : count(mine.reduce((sum, share) => sum + share.tokens, 0), "token");
  const each = mine.length > 1 && one === "one token" ? " each" : "";
  const requests = mine.map((share) => share.request);
  return { parts: [...names(requests, 4), ` ${verb(requests, "decodes", "decode")} ${one}${each}.`] };
}

/** Whether the tokens given in this step were of the prompt. */
export function prefills(model, { request, tokens }) {
  const { computed, prompt } = model.status(request);
  return computed - tokens < prompt - 1 || (tokens > 1 && computed <= prompt);
}

/** One fact as a line for the list of the step. */
export function factParts({ kind, request, other, values }) {
  const it = request >= 0 ? who(request) : "the pass";
  const blocks = () => blockList(values.blocks);
  switch (kind) {
    case "enqueued":
      return [it, " is enqueued"];
    case "hit":
      return [it, ` finds ${number(values.hit)} of ${number(values.tokens)} tokens in the prefix cache`];
    case "missed":
      return [it, " finds nothing in the prefix cache"];
    case "refused":
      return typeof values.required === "number"
        ? [it, ` gets no blocks: needs ${number(values.required)}, ${number(values.available)} free`]
        : [it, " gets no blocks"];
    case "preempted":
      return other >= 0 && other !== request ? [it, " is preempted for ", who(other)] : [it, " is preempted"];
    case "finished":
      return [it, ` finishes: ${spoken(values.status)}`];
    case "evicted":
      return ["evicted from the prefix cache: ", blocks()];
    case "taken":
      return request >= 0 ? [it, " takes ", blocks()] : ["taken: ", blocks()];
    case "shared":
      return [it, " shares ", blocks()];
    case "freed":
      return request >= 0 ? [it, " gives back ", blocks()] : ["given back: ", blocks()];
    case "cached":
      return ["can be hit from now on: ", blocks()];
    case "copied":
      return ["copied on write: ", blocks()];
    case "reset":
      return ["the prefix cache is reset"];
    case "paused":
      return [`the scheduler: ${spoken(values.state)}`];
    default:
      return request >= 0 ? [it, ` ${spoken(kind)}`] : [spoken(kind)];
  }
}

function blockList(blocks) {
  const all = Array.from(blocks || []);
  const shown = all.slice(0, 8).map(number).join(", ");
  return `block${all.length === 1 ? "" : "s"} ${shown}${all.length > 8 ? ` and ${number(all.length - 8)} more` : ""}`;
}

/** The sentence as plain text. */
export function asText(parts, names) {
  return parts.map((one) => (typeof one === "string" ? one : names.spoken(one.request))).join("");
}

/** The sentence as nodes: names are buttons that choose. */
export function asNodes(parts, names, choose) {
  return parts.map((one) => (typeof one === "string" ? one : names.who(one.request, choose)));
}
