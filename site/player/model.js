// A payload -> the state of a recorded engine at any frame. Data only: nothing here draws.
//
// Frame 0 is the state before anything was asked of the engine, then comes one frame for each
// step, as it is right after schedule(), and the last frame is the end of the recording.

import { read } from "./columns.js";
import { beside } from "./marks.js";
import { BLOCK_EVENTS, Blocks } from "./model_blocks.js";
import { Facts } from "./model_facts.js";
import { lane, laneCounts } from "./model_lanes.js";
import {
  DECODE, FINISHED, FIRST_QUEUE, PREEMPTED, Requests, RUNNING,
} from "./model_requests.js";
import { snapshot } from "./model_snapshot.js";
import { Workers } from "./model_workers.js";

/** Read a payload (gzip or not). Throws an Error with one clear sentence. */
export async function load(source) {
  const { header, columns } = await read(source);
  try {
    return new Model(header, columns);
  } catch (error) {
    console.warn(error);
    throw new Error("The recording is damaged: its parts do not fit together.");
  }
}

export class Model {
  #columns;
  #blocks;
  #requests;
  #facts;
  #counts;
  #byStep;

  constructor(header, columns) {
    this.header = header;
    this.#columns = columns;
    this.#blocks = new Blocks(header, columns);
    this.#requests = new Requests(header, columns);
    this.#facts = new Facts(header, columns);
    this.frameCount = header.frames;
    this.blockCount = this.#blocks.count;
    this.requestCount = header.names.length;
    const { owner, slot, refs, cached, lastOwner } = this.#blocks;
    Object.assign(this, { owner, slot, refs, cached, lastOwner });
    this.marks = { ...this.#facts.marks, eviction: this.#blocks.evictionFrames() };
    this.verdict = header.verdict ?? null;
    /** Null where no worker recorded its batches. */
    this.workers = header.workers ? new Workers(header, columns) : null;
    this.seek(0);
  }

  // Frames

  /** Move the cursor. What is said of "now" below is about its frame. */
  seek(frame) {
    this.frame = Math.max(0, Math.min(this.frameCount - 1, Math.trunc(frame) || 0));
    this.#blocks.seek(this.frame);
    this.#requests.seek(this.frame);
    this.changed = this.#blocks.changed;
    return this;
  }

  step(frame) {
    return this.#columns.step[frame];
  }

  /** Nanoseconds since the trace began. */
  time(frame) {
    return this.#columns.time[frame];
  }

  /** The frame of a step, -1 where the recording does not have it. */
  frameOfStep(step) {
    if (!this.#byStep) {
      this.#byStep = new Map();
      for (let f = this.frameCount - 2; f > 0; f--) this.#byStep.set(this.step(f), f);
    }
    return this.#byStep.get(step) ?? -1;
  }

  /** Why the state is not known now, or "". Where it is not known, the arrays say nothing. */
  get unknown() {
    return this.unknownAt(this.frame);
  }

  unknownAt(frame) {
    return this.header.words[this.#columns.unknown[frame]];
  }

  // Requests

  name(r) {
    return this.header.names[r];
  }

  external(r) {
    return this.header.externals[r];
  }

  /** The frame in which it had finished, -1 where it never did: cheaper than all of `request`. */
  finishedFrame(r) {
    return this.#requests.span(r).finished;
  }

  /** What does not change about a request. */
  request(r) {
    const [first] = this.#facts.about(r, "enqueued");
    const told = first ? this.#facts.values(first[1]) : {};
    const ended = this.#facts.about(r, "finished").pop();
    const span = this.#requests.span(r);
    return {
      prompt: told.prompt ?? 0,
      maxTokens: told.max_tokens ?? 0,
      priority: told.priority ?? 0,
      lora: told.lora ?? "",
      arrivedFrame: span.arrived,
      finishedFrame: span.finished,
      finishedStatus: ended ? this.#facts.values(ended[1]).status : "",
    };
  }

  /** Up to 50 requests whose ids contain the text. */
  find(text) {
    const found = [];
    const { names, externals } = this.header;
    for (let r = 0; r < names.length && found.length < 50; r++) {
      if (names[r].includes(text) || externals[r]?.includes(text)) found.push(r);
    }
    return found;
  }

  /** Requests that run now, in the engine's order. */
  running() {
    return this.#requests.inPlace(RUNNING);
  }

  /** Requests in a waiting queue now, in the order the policy hands them out. */
  queue(name) {
    const at = this.header.queues.findIndex((one) => one.name === name);
    return at < 0 ? new Int32Array(0) : this.#requests.inPlace(FIRST_QUEUE + at);
  }

  finishedCount() {
    return this.#requests.finishedCount();
  }

  /** A request now; null where the engine does not know it yet. */
  status(r) {
    const one = this.#requests.status(r);
    if (!one) return null;
    const facts = this.#facts;
    const hit = facts.about(r, "hit", this.frame).pop();
    const losses = facts.about(r, "preempted", this.frame);
    const lost = losses.length ? facts.values(losses[losses.length - 1][1]).computed : 0;
    const ended = one.phase === FINISHED && facts.about(r, "finished", this.frame).pop();
    return {
      ...one,
      status: ended ? facts.values(ended[1]).status : one.status,
      finished: one.phase === FINISHED,
      prompt: this.request(r).prompt,
      hit: hit ? facts.values(hit[1]).hit : 0,
      recomputed: one.phase === DECODE || one.phase === FINISHED ? 0 : Math.max(0, lost - one.computed),
      preemptions: losses.length,
      preempted: one.phase === PREEMPTED,
    };
  }

  /** Who got tokens in this frame, in scheduling order. */
  shares() {
    return this.#requests.shares();
  }

  get budget() {
    return { used: this.#requests.used(), budget: this.#columns.budget[this.frame] };
  }

  /** What each rank ran in this frame. */
  batches() {
    if (!this.workers) return [];
    const admission = (r) => this.#requests.status(r)?.admission ?? "";
    return this.workers.at(this.frame, (r) => this.table(r), admission);
  }

  // Blocks

  /** Blocks in the order in which they will be handed out now. */
  freeQueue(pool = 0) {
    return this.#blocks.freeQueue(pool);
  }

  /** The block tables of a request now. */
  table(r) {
    return this.#blocks.tablesOf(r, this.frame).map(({ table, blocks }) => {
      const { table: number, group, block_size } = this.header.tables[table];
      return { table: number, group, block_size, blocks };
    });
  }

  /** Every table entry that holds the block now; the first is its `owner`. */
  owners(b) {
    if (this.owner[b] < 0) return [];
    return this.#blocks.owners(b, this.frame).map((one) => {
      return { ...one, table: this.header.tables[one.table].table };
    });
  }

  /** What became of the block over the whole recording. */
  blockLife(b) {
    return this.#blocks.life(b);
  }

  // What happened

  /** The facts of a frame in the order of the events; what happened to blocks comes last. */
  facts(frame) {
    const blocks = this.#blocks.happened(frame).map(({ what, request, blocks: list }) => {
      const event = BLOCK_EVENTS[what];
      const values = { blocks: list };
      return { kind: what, request, other: -1, values, event, source: this.source(event) };
    });
    return [...this.#facts.of(frame), ...blocks];
  }

  /** Where in the engine's source an event or a fact comes from, or null. */
  source(what) {
    if (what === null || what === undefined) return null;
    return typeof what === "object" ? what.source : this.#facts.source(what);
  }

  /** The next (direction 1) or previous (-1) frame with a mark of this kind; -1: there is none. */
  next(kind, frame, direction = 1) {
    return beside(this.marks[kind] ?? [], frame, direction);
  }

  /** Stretches of frames [from, to) in which the request was one kind of thing. */
  lane(r) {
    return lane(this.#requests, r, this.frameCount);
  }

  /** How many requests wait, run and are preempted, on average over each of `bins` bins. */
  laneBins(from, to, bins) {
    this.#counts ??= laneCounts(this.#requests, this.frameCount);
    const out = {};
    for (const [kind, counts] of Object.entries(this.#counts)) {
      out[kind] = Float64Array.from({ length: bins }, (_, bin) => {
        const first = Math.floor(from + ((to - from) * bin) / bins);
        const last = Math.max(first + 1, Math.floor(from + ((to - from) * (bin + 1)) / bins));
        let sum = 0;
        for (let f = first; f < last; f++) sum += counts[f] ?? 0;
        return sum / (last - first);
      });
    }
    return out;
  }

  /** The moments of a request in all processes, in order of time (nanoseconds, as `time`). */
  moments(r) {
    const columns = this.#columns;
    const words = this.header.moment_words;
    if (!this.momentFrom) {
      this.momentFrom = [0];
      for (const count of columns.moment_count) this.momentFrom.push(this.momentFrom.at(-1) + count);
    }
    const found = [];
    for (let i = this.momentFrom[r]; i < this.momentFrom[r + 1]; i++) {
      found.push({
        what: words[columns.moment_what[i]],
        t: columns.moment_time[i],
        took: columns.moment_took[i],
        process: columns.moment_process[i],
        role: words[columns.moment_role[i]],
        step: this.#stepAt(columns.moment_time[i]),
      });
    }
    return found;
  }

  /** The last step that was scheduled at a time, -1 before the first. */
  #stepAt(time) {
    let low = 0;
    let high = this.frameCount - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) <= time) low = middle + 1;
      else high = middle;
    }
    return low > 1 ? this.step(low - 1) : -1;
  }

  /** The whole state now, in the shape of the engine's own dump; null where it is not known. */
  snapshot() {
    return this.unknown ? null : snapshot(this, this.#blocks, this.#requests);
  }
}
