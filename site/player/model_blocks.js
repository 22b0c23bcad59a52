// The changes of blocks and rows -> who owns which block, the free queue and the block tables,
// at the cursor's frame.

import { History } from "./model_history.js";
import { CACHED, FREE, OWNED, RESET } from "./model_ops.js";
import { DROPPED, replay, REPLACED, SET } from "./model_replay.js";

export class Blocks {
  constructor(header, columns) {
    this.header = header;
    this.pools = header.pools;
    this.count = this.pools.reduce((sum, pool) => sum + pool.size, 0);
    const { changes, log, blockFrom, rowFrom, initial } = replay(header, columns);
    this.changes = changes;
    this.log = log;
    this.history = new History(this.count, blockFrom, changes.block, changes.length);
    this.rowRequest = columns.row_request;
    this.rowTable = columns.row_table;
    this.rowHistory = new History(this.rowRequest.length, rowFrom, log.row, log.length);
    this.owner = new Int32Array(this.count).fill(-1);
    this.slot = new Int32Array(this.count).fill(-1);
    this.refs = new Int32Array(this.count);
    this.cached = new Uint8Array(this.count);
    this.lastOwner = new Int32Array(this.count).fill(-1);
    this.isFree = new Uint8Array(this.count).fill(1);
    this.stamp = new Int32Array(this.count);
    for (const pool of this.pools) {
      if (pool.size) this.isFree[pool.first + pool.null_block] = 0;
    }
    this.empty = new Set(this.pools.map((pool) => pool.first + pool.null_block));
    this.initial = initial;
    this.stamp.set(initial);
    this.initialFree = this.isFree.slice();
    this.keys = new Float64Array(this.count);
    this.queue = new Int32Array(this.count);
    this.marked = new Uint8Array(this.count);
    this.changedBuffer = new Int32Array(this.count);
    this.changed = this.changedBuffer.subarray(0, 0);
  }

  seek(frame) {
    const passed = this.history.seek(frame);
    if (passed) for (let i = passed[0]; i < passed[1]; i++) this.show(this.changes.block[i]);
    else for (let b = 0; b < this.count; b++) this.show(b);
    this.changed = this.changesOf(frame);
  }

  /** Bring the arrays of one block up to its change. */
  show(b) {
    const { changes } = this;
    const i = this.history.at[b];
    if (i < 0) {
      this.owner[b] = this.slot[b] = this.lastOwner[b] = -1;
      this.refs[b] = this.cached[b] = 0;
      this.isFree[b] = this.initialFree[b];
      this.stamp[b] = this.initial[b];
      return;
    }
    const flags = changes.flags[i];
    this.lastOwner[b] = changes.owner[i];
    this.owner[b] = flags & OWNED ? changes.owner[i] : -1;
    this.slot[b] = flags & OWNED ? changes.slot[i] : -1;
    this.refs[b] = changes.refs[i];
    this.cached[b] = flags & CACHED ? 1 : 0;
    this.isFree[b] = flags & FREE ? 1 : 0;
    this.stamp[b] = changes.stamp[i];
  }

  /** Blocks that changed between the frame before and this one, each once. */
  changesOf(frame) {
    const { from } = this.history;
    let count = 0;
    for (let i = from[frame]; i < from[frame + 1]; i++) {
      const b = this.changes.block[i];
      if (this.marked[b]) continue;
      this.marked[b] = 1;
      this.changedBuffer[count++] = b;
    }
    for (let i = 0; i < count; i++) this.marked[this.changedBuffer[i]] = 0;
    return this.changedBuffer.subarray(0, count);
  }

  /** The free queue of a pool, the next to be handed out first. */
  freeQueue(index = 0) {
    const pool = this.pools[index];
    if (!pool) return new Int32Array(0);
    let count = 0;
    // Stamp and block in one number, so that sorting needs no function.
    for (let b = pool.first; b < pool.first + pool.size; b++) {
      if (this.isFree[b]) this.keys[count++] = this.stamp[b] * pool.size + (b - pool.first);
    }
    const sorted = this.keys.subarray(0, count).sort();
    for (let i = 0; i < count; i++) {
      this.queue[i] = pool.first + (((sorted[i] % pool.size) + pool.size) % pool.size);
    }
    return this.queue.slice(0, count);
  }

  /** The row's blocks at a frame; undefined where it has none. */
  rowAt(row, frame) {
    const { log, rowHistory } = this;
    const since = [];
    for (let i = rowHistory.find(row, frame); i >= 0; i = rowHistory.prev[i]) {
      if (log.kind[i] === DROPPED) break;
      since.push(i);
      if (log.kind[i] === REPLACED) break;
    }
    const held = [];
    for (const i of since.reverse()) {
      const begin = log.begin[i];
      const num = log.num[i];
      if (log.kind[i] === SET) held[num] = log.entry[begin];
      else for (let k = begin; k < begin + num; k++) held.push(log.entry[k]);
    }
    return held.length ? held : undefined;
  }

  /** Rows that hold blocks at a frame. */
  liveRows(frame) {
    const rows = [];
    const { at } = this.rowHistory;
    this.rowHistory.seek(frame);
    for (let row = 0; row < at.length; row++) {
      if (at[row] >= 0 && this.log.kind[at[row]] !== DROPPED) rows.push(row);
    }
    return rows;
  }

  /** The block tables of a request at a frame, in the order of the header's tables. */
  tablesOf(request, frame) {
    this.rowsOf ??= grouped(this.rowRequest);
    const found = [];
    for (const row of this.rowsOf.get(request) ?? []) {
      const held = this.rowAt(row, frame);
      if (held) found.push({ table: this.rowTable[row], blocks: Int32Array.from(held) });
    }
    return found.sort((a, b) => a.table - b.table);
  }

  /** Every entry of a block table that is this block. */
  owners(b, frame) {
    const found = [];
    for (const row of this.liveRows(frame)) {
      (this.rowAt(row, frame) ?? []).forEach((held, slot) => {
        if (held !== b) return;
        found.push({ request: this.rowRequest[row], table: this.rowTable[row], slot });
      });
    }
    const first = (one) => one.request === this.owner[b] && one.slot === this.slot[b];
    return found.sort((x, y) => first(y) - first(x));
  }

  /** What became of a block, from one change to the next. */
  life(b) {
    const found = [];
    let before = -1;
    for (const i of this.history.of(b)) {
      const frame = this.history.frameOf(i);
      for (const what of this.steps(before, i, b)) {
        found.push({ frame, what, request: this.actor(i, before, frame, what) });
      }
      before = i;
    }
    return found;
  }

  /** In words, what happened between two changes of a block. */
  steps(before, i, b) {
    if (this.empty.has(b)) return [];
    const { refs, flags } = this.changes;
    const old = before < 0 ? 0 : refs[before];
    const was = before < 0 ? 0 : flags[before];
    const words = [];
    if (was & CACHED && !(flags[i] & CACHED)) words.push(flags[i] & RESET ? "reset" : "evicted");
    if (refs[i] > old) words.push(old ? "shared" : "taken");
    if (refs[i] < old) words.push(refs[i] ? "dropped" : "freed");
    if (!(was & CACHED) && flags[i] & CACHED) words.push("cached");
    return words;
  }

  /** The request that a word about a change is about, -1 where there is none. */
  actor(i, before, frame, what) {
    const { block, owner } = this.changes;
    if (what === "evicted" || what === "reset") return owner[before];
    if (what !== "shared" && what !== "dropped") return owner[i];
    const { log, rowHistory } = this;
    for (let k = rowHistory.from[frame]; k < rowHistory.from[frame + 1]; k++) {
      const row = log.row[k];
      const gone = log.kind[k] === DROPPED;
      if (gone !== (what === "dropped") || (gone && !frame)) continue;
      const held = gone ? this.rowAt(row, frame - 1) : this.rowAt(row, frame);
      if (held && held.includes(block[i])) return this.rowRequest[row];
    }
    return -1;
  }

  /** What happened to blocks in a frame, in words, grouped: [{what, request, blocks}]. */
  happened(frame) {
    const { from, prev } = this.history;
    const groups = new Map();
    for (let i = from[frame]; i < from[frame + 1]; i++) {
      const b = this.changes.block[i];
      for (const what of this.steps(prev[i], i, b)) {
        if (what === "reset") continue;
        const request = this.actor(i, prev[i], frame, what);
        const key = `${what} ${request}`;
        const group = groups.get(key);
        if (group) group.blocks.push(b);
        else groups.set(key, { what, request, blocks: [b] });
      }
    }
    return [...groups.values()];
  }

  /** The frames in which a cached block lost its hash to another owner, ascending. */
  evictionFrames() {
    const { from, prev } = this.history;
    const { flags } = this.changes;
    const frames = [];
    for (let frame = 0; frame < from.length - 1; frame++) {
      for (let i = from[frame]; i < from[frame + 1]; i++) {
        const was = prev[i] < 0 ? 0 : flags[prev[i]];
        if (was & CACHED && !(flags[i] & (CACHED | RESET))) {
          frames.push(frame);
          break;
        }
      }
    }
    return Int32Array.from(frames);
  }
}

function grouped(values) {
  const groups = new Map();
  values.forEach((value, at) => {
    const group = groups.get(value);
    if (group) group.push(at);
    else groups.set(value, [at]);
  });
  return groups;
}

/** What happened to a block -> the event that says so. */
export const BLOCK_EVENTS = {
  taken: "BlocksTaken",
  shared: "BlocksTouched",
  dropped: "BlocksFreed",
  freed: "BlocksFreed",
  cached: "HashAdded",
  evicted: "HashRemoved",
};
