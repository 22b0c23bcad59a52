// One trace on show: which frame, which request, which block; panes draw from it and call it.

import { Clock } from "./clock.js";
import { duration, number } from "./format.js";
import { letter, Names } from "./names.js";
import { beside, hitsAt, worthwhile } from "./marks.js";
import { asText, tell } from "./words.js";

const LEVELS = 32;
const MOST_HITS = 5000;
const MOST_SENTENCE = 4;

/** State and questions about it. `changed(reason)` is called after each change. */
export class App {
  constructor(notify) {
    this.notify = notify;
    this.model = null;
    this.theme = "light";
    this.order = false;
    this.quick = false;
    this.kind = "preemption";
    this.select = this.select.bind(this);
    this.clock = new Clock({
      notable: () => this.notable,
      frame: () => this.frame,
      first: () => this.first,
      last: () => this.last,
      advance: (frames) => this.go(this.frame + frames, { play: true }),
      changed: () => this.notify("play"),
    });
  }

  /** A trace to show; the transport is held to the frames `from` to `to`. */
  load(model, { from = 0, to = model.frameCount - 1 } = {}) {
    this.clock.stop();
    this.model = model;
    this.names = new Names(model);
    this.end = model.frameCount - 1;
    this.first = Math.max(0, Math.min(from, this.end));
    this.last = Math.max(this.first, Math.min(to, this.end));
    this.request = -1;
    this.block = -1;
    this.focus = -1;
    this.auto = -1;
    this.hits = null;
    this.differing = this.held({ worker: [...(model.workers?.differing ?? [])] }).worker;
    this.nulls = new Set(
      model.header.pools.filter((one) => Number.isInteger(one.null_block) && one.null_block >= 0).map((one) => one.first + one.null_block),
    );
    this.allMarks = worthwhile(model);
    this.marks = this.held(this.allMarks);
    this.marked = Object.fromEntries(Object.entries(this.marks).map(([kind, frames]) => [kind, new Set(frames)]));
    this.kind = Object.keys(this.marks).find((kind) => this.marks[kind].length) || "preemption";
    this.ends = Int32Array.from({ length: model.requestCount }, (_, request) => model.finishedFrame(request));
    this.ended = Array.from(this.ends.keys()).filter((request) => this.ends[request] >= 0);
    this.ended.sort((a, b) => this.ends[a] - this.ends[b]);
    this.frame = this.first;
    this.enter(this.first);
  }

  /** The marks that the transport can reach. */
  held(marks) {
    const within = (frame) => frame >= this.first && frame <= this.last;
    return Object.fromEntries(Object.entries(marks).map(([kind, frames]) => [kind, frames.filter(within)]));
  }

  /** Goes to a frame, as near as the trace has it. A person's move ends the play. */
  go(frame, { play = false, scrub = false } = {}) {
    if (!this.model) return;
    if (!play) this.clock.stop();
    const next = Math.max(this.first, Math.min(this.last, frame));
    if (next === this.frame) return;
    this.enter(next);
    this.notify(scrub ? "scrub" : "step");
  }

  enter(frame) {
    const { model } = this;
    model.seek(frame);
    this.frame = frame;
    this.computed = new Map();
    this.facts = model.facts(frame);
    this.shares = model.shares();
    const { clauses, subject } = tell(model, frame);
    this.clauses = clauses.slice(0, MOST_SENTENCE);
    this.notable = clauses.some((one) => !one.quiet);
    this.sentence = this.clauses.map((one) => asText(one.parts, this.names)).join(" ");
    // Nothing has changed in what there is at first.
    this.changed = new Set(frame > 0 ? model.changed : []);
    this.lit = new Set();
    this.ran = null;
    this.subject = subject;
    this.look();
  }

  /** Whose block table is shown: the chosen request's, else that of whom the step is about. */
  look() {
    const holds = (request) => request >= 0 && this.tables(request).some(({ blocks }) => blocks.length > 0);
    if (this.request >= 0) this.focus = this.request;
    else {
      const running = this.model.running();
      const kept = running.includes(this.auto) ? this.auto : -1;
      this.auto = [this.subject, kept, ...running.subarray(0, 8)].find(holds) ?? -1;
      this.focus = this.auto;
    }
    this.focusBlocks = new Set();
    if (this.focus < 0) return;
    for (const { blocks } of this.tables(this.focus)) {
      for (const block of blocks) if (!this.nulls.has(block)) this.focusBlocks.add(block);
    }
  }

  /** What the workers ran in this frame; worked out once. */
  batches() {
    this.ran ??= this.model.batches();
    return this.ran;
  }

  /** Shows where blocks are, for as long as someone points at what speaks of them. */
  light(blocks) {
    if (!this.model || (blocks.length === 0 && this.lit.size === 0)) return;
    this.lit = new Set(blocks);
    this.notify("light");
  }

  /** To the next (1) or previous (-1) step in which a worker did not run what was meant. */
  differ(way) {
    const frame = beside(this.differing, this.frame, way);
    if (frame >= 0) this.go(frame);
  }

  select(request) {
    if (!this.model) return;
    this.request = request >= 0 && request < this.model.requestCount ? request : -1;
    this.look();
    this.notify("select");
  }

  choose(block) {
    if (!this.model) return;
    this.block = block === this.block || block < 0 || block >= this.model.blockCount ? -1 : block;
    this.notify("select");
  }

  toggleOrder() {
    this.order = !this.order;
    this.notify("select");
  }

  setKind(kind) {
    this.kind = kind;
    this.notify("select");
  }

  /** To the next (1) or previous (-1) event of the chosen kind. */
  jump(way) {
    const frame = beside(this.marks[this.kind], this.frame, way);
    if (frame >= 0) this.go(frame);
    else this.notify("select");
  }

  at(kind) {
    return this.marked[kind].has(this.frame);
  }

  frameName(frame, withTime = false) {
    if (frame === 0) return withTime ? "Before the first step" : "start";
    const { model } = this;
    const name = frame === this.end ? "end" : `step ${number(model.step(frame))}`;
    return withTime ? `${name[0].toUpperCase()}${name.slice(1)}, at ${duration(model.time(frame))}` : name;
  }

  tables(request) {
    return this.model.table(request);
  }

  blockSize(table) {
    const { tables } = this.model.header;
    return (tables.find((one) => one.table === table) || tables[table] || tables[0] || { block_size: 0 }).block_size;
  }

  blockName(block) {
    const { pools } = this.model.header;
    if (pools.length < 2) return String(block);
    const at = pools.findLastIndex((one) => one.first <= block);
    return `${letter(at).toLowerCase()}${block - pools[at].first}`;
  }

  /** How full a block is, 0 to 1, of computed tokens of its first owner. */
  level(block) {
    const { model } = this;
    const owner = model.owner[block];
    if (!this.computed.has(owner)) this.computed.set(owner, (model.status(owner) || { computed: 0 }).computed);
    const table = model.header.tables.length > 1 ? (model.owners(block)[0] || { table: 0 }).table : 0;
    const size = this.blockSize(table) || 1;
    const held = this.computed.get(owner) - model.slot[block] * size;
    return Math.max(0, Math.min(1, Math.round((held / size) * LEVELS) / LEVELS));
  }

  /** How many tokens long a request may become, for its bar. */
  fullLength(request) {
    const { prompt, maxTokens } = this.model.request(request);
    const { tokens } = this.model.status(request) || { tokens: 0 };
    const most = prompt + maxTokens;
    // A limit that nobody means (the model's whole length) would make every bar empty.
    return Math.max(1, tokens, maxTokens > 0 && maxTokens <= 8 * prompt + 256 ? most : prompt);
  }

  /** The finished requests at this frame, the latest first. */
  finished(most) {
    let [low, high] = [0, this.ended.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[this.ended[middle]] <= this.frame) low = middle + 1;
      else high = middle;
    }
    return this.ended.slice(Math.max(0, low - most), low).reverse();
  }

  freeQueue() {
    return this.model.freeQueue(0);
  }

  /** Block -> its number in the free queue of its pool, from 1 on. */
  orderOf() {
    const found = new Map();
    this.model.header.pools.forEach((_, pool) => this.model.freeQueue(pool).forEach((block, at) => found.set(block, at + 1)));
    return found;
  }

  /** The frames in which a request hit the prefix cache. */
  hitsOf(request) {
    if (this.hits === null) {
      this.hits = new Map();
      const frames = this.allMarks.hit;
      for (const frame of frames.length > MOST_HITS ? [] : frames) {
        for (const one of hitsAt(this.model, frame)) {
          if (!this.hits.has(one)) this.hits.set(one, new Set());
          this.hits.get(one).add(frame);
        }
      }
    }
    return this.hits.get(request) || [];
  }
}
