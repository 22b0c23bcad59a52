// Operations of a payload -> every change of every block: the pools of the engine, replayed.
// The rules are those of tracing/pagewalk/replay/pools.py; the test of the player's state holds
// both against each other.

export const OWNED = 1;
export const CACHED = 2;
export const FREE = 4;
export const RESET = 8;
const SHARED = 16;

/** The changes of blocks: one entry each, in the order of the events. */
class Changes {
  constructor(most, blocks, requests) {
    this.length = 0;
    // Narrow where all values fit: these arrays are most of the memory that a model takes.
    this.block = new (blocks <= 65536 ? Uint16Array : Uint32Array)(most);
    this.owner = new (requests <= 32767 ? Int16Array : Int32Array)(most);
    this.slot = new Int32Array(most);
    this.refs = new Int32Array(most); // that of the null block may be negative
    this.flags = new Uint8Array(most);
    this.stamp = new Int32Array(most);
  }
}

/** What the pools hold at one moment, block by block, while the operations are repeated. */
export class Pools {
  constructor(header, columns) {
    this.pools = header.pools;
    this.size = this.pools.reduce((sum, pool) => sum + pool.size, 0);
    this.rowRequest = columns.row_request;
    this.rowPool = Array.from(columns.row_table, (t) => this.pools[header.tables[t].pool_index]);
    this.changes = new Changes(header.changes, this.size, header.names.length);
    this.refs = new Int32Array(this.size);
    this.flags = new Uint8Array(this.size);
    this.owner = new Int32Array(this.size).fill(-1);
    this.ownerRow = new Int32Array(this.size).fill(-1);
    this.slot = new Int32Array(this.size).fill(-1);
    this.stamp = new Int32Array(this.size);
    this.sharers = new Map(); // block -> [[row, slot], ...] of those after the first
    this.rows = new Array(this.rowRequest.length).fill(null); // row -> its blocks
    this.cursor = new Int32Array(this.rowRequest.length); // row -> the next slot to be cached
    this.lines();
  }

  /** The free queues, as rings of links: each pool has a knot behind its blocks. */
  lines() {
    const count = this.pools.length;
    this.next = new Int32Array(this.size + count);
    this.prev = new Int32Array(this.size + count);
    this.back = new Int32Array(count);
    this.front = new Int32Array(count);
    this.pools.forEach((pool, at) => {
      const knot = this.size + at;
      pool.index = at;
      this.next[knot] = this.prev[knot] = knot;
      for (let b = 0; b < pool.size; b++) {
        if (b !== pool.null_block) this.append(pool, pool.first + b);
      }
    });
  }

  append(pool, b) {
    const knot = this.size + pool.index;
    this.link(b, this.prev[knot], knot);
    this.stamp[b] = ++this.back[pool.index];
  }

  prepend(pool, b) {
    const knot = this.size + pool.index;
    this.link(b, knot, this.next[knot]);
    this.stamp[b] = --this.front[pool.index];
  }

  link(b, before, after) {
    if (this.flags[b] & FREE) return this.relink(b, before, after);
    this.flags[b] |= FREE;
    this.next[before] = this.prev[after] = b;
    this.prev[b] = before;
    this.next[b] = after;
  }

  /** A block that is queued already moves: leave, and come back between its new neighbours. */
  relink(b, before, after) {
    const [left, right] = [this.prev[b], this.next[b]];
    this.unlink(b);
    this.link(b, before === b ? left : before, after === b ? right : after);
  }

  unlink(b) {
    if (!(this.flags[b] & FREE)) return;
    this.flags[b] &= ~FREE;
    const before = this.prev[b];
    const after = this.next[b];
    this.next[before] = after;
    this.prev[after] = before;
  }

  record(b, extra = 0) {
    const changes = this.changes;
    const i = changes.length++;
    changes.block[i] = b;
    changes.owner[i] = this.owner[b];
    changes.slot[i] = this.slot[b];
    changes.refs[i] = this.refs[b];
    changes.flags[i] = this.flags[b] | extra;
    changes.stamp[i] = this.stamp[b];
  }

  // What the engine's block pool does

  take(b) {
    this.unlink(b);
    this.refs[b]++;
    this.flags[b] &= ~CACHED;
  }

  touch(pool, b) {
    if (this.refs[b] === 0 && b !== pool.first + pool.null_block) this.unlink(b);
    this.refs[b]++;
  }

  /** Ref counts go down in call order; blocks that reach 0 go to the tail or, those that are not
   * cached, to the front, and there the first of them at the very front. */
  free(pool, blocks, back) {
    const { refs, flags } = this;
    const empty = pool.first + pool.null_block;
    let front = null;
    for (let i = 0; i < blocks.length; i++) {
      const b = blocks[i];
      if (--refs[b] !== 0 || b === empty) continue;
      if (back || (pool.caching && flags[b] & CACHED)) this.append(pool, b);
      else (front ??= []).push(b);
    }
    for (let i = front ? front.length - 1 : -1; i >= 0; i--) this.prepend(pool, front[i]);
  }

  // What block tables do to the ownership of blocks

  own(row, slot, b) {
    const pool = this.rowPool[row];
    if (b === pool.first + pool.null_block) return;
    if (this.ownerRow[b] >= 0) {
      const others = this.sharers.get(b);
      if (others) others.push([row, slot]);
      else this.sharers.set(b, [[row, slot]]);
      this.flags[b] |= SHARED;
      return;
    }
    this.ownerRow[b] = row;
    this.owner[b] = this.rowRequest[row];
    this.slot[b] = slot;
    this.flags[b] |= OWNED;
  }

  disown(row, slot, b) {
    const first = this.ownerRow[b] === row && this.slot[b] === slot;
    if (first) {
      this.ownerRow[b] = this.slot[b] = -1;
      this.flags[b] &= ~OWNED;
    }
    if (!(this.flags[b] & SHARED)) return;
    const others = this.sharers.get(b);
    const which = first ? 0 : others.findIndex(([r, s]) => r === row && s === slot);
    const [gone] = which >= 0 ? others.splice(which, 1) : [];
    if (!others.length) {
      this.sharers.delete(b);
      this.flags[b] &= ~SHARED;
    }
    if (first) this.own(gone[0], gone[1], b);
  }
}
