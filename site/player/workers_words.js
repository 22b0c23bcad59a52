// What a rank ran -> words: its mark, where a row's tokens go, how a row came about, who left.

import { count, listed, number, spoken } from "./format.js";
import { safe } from "./names.js";
import { DIFFERS, IN_PART, NONE, SAME } from "./model_workers.js";

const MOST_PARTS = 3;
const MOST_SAID = 600;
const MARKS = {
  [NONE]: ["–", "not recorded", "none"],
  [SAME]: ["✓", "as scheduled", "same"],
  [DIFFERS]: ["≠", "differs", "differs"],
  [IN_PART]: ["–", "not fully compared", "part"],
};

/** [sign, words, class] of a verdict. */
export function markOf(verdict) {
  return MARKS[verdict] ?? MARKS[NONE];
}

/** Why a rank shows no rows in a frame. */
export function noBatch(app) {
  if (app.frame === 0) return "Nothing has run yet.";
  if (app.frame === app.end) return "The recording is over.";
  if (app.shares.length === 0) return "Nothing was scheduled in this step.";
  return "What this rank ran in this step was not recorded.";
}

/** What differs, in words; an id in it may be anything. */
export function saidOf(batch) {
  return safe(batch.said, MOST_SAID);
}

/** Which tokens of its request a row computes. */
export function tokensText({ computed, tokens }) {
  if (tokens === 1) return `token ${number(computed)}`;
  return `tokens ${number(computed)}–${number(computed + tokens - 1)} (${number(tokens)})`;
}

/** Where a row's tokens go, group by group and block by block, as texts that need not be broken. */
export function slotTexts(app, row) {
  const { workers } = app.model;
  return row.slots.flatMap((runs, group) => {
    const texts = runs ? slotsOf(app, workers.parts(runs, group), workers.blockSize(group)) : ["slots not known"];
    return row.slots.length > 1 ? [`group ${number(group)}: ${texts[0] ?? ""}`, ...texts.slice(1)] : texts;
  });
}

function slotsOf(app, parts, size) {
  if (parts.length === 1 && parts[0].many === 1) {
    const [one] = parts;
    if (one.block < 0) return [`${span(one)}: there is no block ${number(one.own)}`];
    return [`slot ${number(one.first)} = block ${nameOf(app, one)} × ${number(size)} + ${number(one.offset)}`];
  }
  const shown = parts.slice(0, MOST_PARTS).map((one) => `block ${nameOf(app, one)}: ${span(one)}`);
  const rest = parts.length - shown.length;
  return [...shown, ...(rest > 0 ? [count(rest, "more block")] : [])];
}

function span({ first, many }) {
  return many === 1 ? `slot ${number(first)}` : `slots ${number(first)}–${number(first + many - 1)}`;
}

function nameOf(app, { block, own }) {
  return block >= 0 ? app.blockName(block) : `${number(own)} (which is not there)`;
}

/** The blocks of the model that a row's tokens go to. */
export function blocksOf(app, row) {
  const { workers } = app.model;
  const found = row.slots.flatMap((runs, group) => (runs ? workers.parts(runs, group) : []));
  return [...new Set(found.map((one) => one.block).filter((block) => block >= 0))];
}

/** How a request came into its row, "" where it was there before. */
export function changeText({ change, from, row }) {
  if (change === "moved") return `${from > row ? "↑" : "↓"} from row ${number(from)}`;
  return { new: "+ new", resumed: "↻ resumed", back: "↩ back", entered: "+ in the batch" }[change] ?? "";
}

/** Who was in the batch before and is not in this one, as parts of a sentence. */
export function goneParts(app, gone, name) {
  return listed(
    gone.map(({ request, row }) => [name(request), ` from row ${number(row)} (${whyGone(app, request)})`]),
    4,
  ).flat();
}

function whyGone(app, request) {
  const one = app.model.status(request);
  if (!one || one.finished) return "finished";
  return one.preempted ? spoken("PREEMPTED") : "no tokens in this step";
}

/** All batches of a trace in one sentence. */
export function summary(app) {
  const { workers } = app.model;
  const sum = (key) => workers.lanes.reduce((all, one) => all + one[key], 0);
  const [batches, differing, partly, lost] = ["batches", "differing", "partly", "lost"].map(sum);
  const ranks = workers.lanes.length === 1 ? "one rank" : `${number(workers.lanes.length)} ranks`;
  const said = [`${plural(batches)} on ${ranks}.`];
  if (differing) said.push(`${number(differing)} ${differing === 1 ? "is" : "are"} not what the scheduler meant.`);
  else if (partly === 0 && workers.worked) said.push("Each has the requests, tokens and block tables that the scheduler meant.");
  else if (partly === 0) said.push("Each is what the scheduler meant, slot by slot.");
  else if (batches > partly) said.push("Where they could be compared, they are what the scheduler meant.");
  if (partly) said.push(`${number(partly)} could not be compared in full.`);
  if (lost) said.push(`${number(lost)} more belong to steps that the trace lacks.`);
  return said.join(" ");
}

function plural(batches) {
  return batches === 1 ? "1 batch" : `${number(batches)} batches`;
}
