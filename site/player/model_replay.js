// The operations of a payload, repeated once -> changes of blocks and of rows, frame by frame.
// The codes and what each reads are listed in tracing/pagewalk/views/payload_blocks.py.

import { CACHED, FREE, Pools, RESET } from "./model_ops.js";

export const EXTENDED = 0;
export const SET = 1;
export const REPLACED = 2;
export const DROPPED = 3;

/** What happened to rows (one block table of one request each), in the order of the events. */
class RowLog {
  constructor(most, entries) {
    this.length = 0;
    this.row = new Int32Array(most);
    this.kind = new Uint8Array(most);
    this.num = new Int32Array(most); // how many entries; of a SET, which
    this.begin = new Int32Array(most); // the first of its entries
    this.used = 0;
    this.entry = new Int32Array(entries);
  }

  add(row, kind, num) {
    const i = this.length++;
    this.row[i] = row;
    this.kind[i] = kind;
    this.num[i] = num;
    this.begin[i] = this.used;
  }
}

/** Repeat all operations. `blockFrom` and `rowFrom` say where each frame's changes begin. */
export function replay(header, columns) {
  const { op_count: counts, op_code: codes } = columns;
  const pools = new Pools(header, columns);
  const log = new RowLog(codes.length, header.entries);
  const blockFrom = new Int32Array(counts.length + 1);
  const rowFrom = new Int32Array(counts.length + 1);
  const initial = pools.stamp.slice();
  const hands = operations(pools, log, columns);
  const called = header.codes.map((name) => hands[name]);
  let op = 0;
  for (let frame = 0; frame < counts.length; frame++) {
    for (let left = counts[frame]; left > 0; left--, op++) called[codes[op]](columns.op_row[op]);
    blockFrom[frame + 1] = pools.changes.length;
    rowFrom[frame + 1] = log.length;
  }
  return { changes: pools.changes, log, blockFrom, rowFrom, initial };
}

/** One function for each code. Each reads on in the columns of numbers and of blocks. */
function operations(pools, log, columns) {
  const { op_num: nums, op_block: listed } = columns;
  const { rows, cursor, rowPool, flags, next, size } = pools;
  let num = 0;
  let at = 0;

  const some = (pool, count) => {
    const out = [];
    for (let i = 0; i < count; i++) out.push(pool.first + listed[at++]);
    return out;
  };
  const each = (act) => (index) => {
    const pool = pools.pools[index];
    for (const b of some(pool, nums[num++])) {
      act(pool, b);
      pools.record(b);
    }
  };
  const freeing = (back) => (index) => {
    const pool = pools.pools[index];
    const blocks = some(pool, nums[num++]);
    pools.free(pool, blocks, back);
    all(blocks);
  };
  const all = (blocks) => {
    for (let i = 0; i < blocks.length; i++) pools.record(blocks[i]);
  };
  const extend = (row, blocks) => {
    log.add(row, EXTENDED, blocks.length);
    open(row);
    for (let i = 0; i < blocks.length; i++) add(row, blocks[i]);
  };
  const open = (row) => {
    if (rows[row] !== null) return;
    rows[row] = [];
    cursor[row] = 0;
  };
  const add = (row, b) => {
    const held = rows[row];
    pools.own(row, held.length, b);
    held.push(b);
    log.entry[log.used++] = b;
    pools.record(b);
  };
  const drop = (row) => {
    const held = rows[row] ?? [];
    for (let slot = 0; slot < held.length; slot++) pools.disown(row, slot, held[slot]);
    rows[row] = null;
    return held;
  };
  const takeOne = (pool) => {
    const b = next[size + pool.index];
    if (b < size) pools.take(b);
    return b;
  };

  return {
    take: (index) => {
      for (let left = nums[num++]; left > 0; left--) pools.record(takeOne(pools.pools[index]));
    },
    take_listed: each((_, b) => {
      pools.unlink(b);
      pools.refs[b]++;
    }),
    touch: each((pool, b) => pools.touch(pool, b)),
    free: freeing(false),
    free_back: freeing(true),
    unpin: freeing(true),
    pin: each((_, b) => pools.refs[b]++),
    extend: (row) => extend(row, some(rowPool[row], nums[num++])),
    share: (row) => {
      const blocks = some(rowPool[row], nums[num++]);
      for (const b of blocks) pools.touch(rowPool[row], b);
      extend(row, blocks);
    },
    grow: (row) => {
      const count = nums[num++];
      log.add(row, EXTENDED, count);
      open(row);
      for (let left = count; left > 0; left--) add(row, takeOne(rowPool[row]));
    },
    drop: (row) => {
      log.add(row, DROPPED, 0);
      all(drop(row));
    },
    drop_free: (row) => {
      log.add(row, DROPPED, 0);
      const blocks = drop(row).reverse();
      pools.free(rowPool[row], blocks, false);
      all(blocks);
    },
    set: (row) => {
      const slot = nums[num++];
      const [b] = some(rowPool[row], 1);
      const held = rows[row];
      log.add(row, SET, slot);
      log.entry[log.used++] = b;
      pools.disown(row, slot, held[slot]);
      pools.record(held[slot]);
      held[slot] = b;
      pools.own(row, slot, b);
      pools.record(b);
    },
    replace: (row) => {
      all(drop(row));
      const blocks = some(rowPool[row], nums[num++]);
      log.add(row, REPLACED, blocks.length);
      open(row);
      for (const b of blocks) add(row, b);
    },
    cache: each((_, b) => (flags[b] |= CACHED)),
    uncache: each((_, b) => (flags[b] &= ~CACHED)),
    cache_row: (row) => {
      const held = rows[row];
      const empty = rowPool[row].first + rowPool[row].null_block;
      for (let left = nums[num++]; left > 0; left--) {
        while (held[cursor[row]] === empty || flags[held[cursor[row]]] & CACHED) cursor[row]++;
        const b = held[cursor[row]++];
        flags[b] |= CACHED;
        pools.record(b);
      }
    },
    reset: (index) => {
      const { first, size: count } = pools.pools[index];
      for (let b = first; b < first + count; b++) {
        if (!(flags[b] & CACHED)) continue;
        flags[b] &= ~CACHED;
        pools.record(b, RESET);
      }
    },
    load: (index) => {
      const pool = pools.pools[index];
      const [free, cached, held] = [nums[num++], nums[num++], nums[num++]];
      for (let b = pool.first; b < pool.first + pool.size; b++) {
        pools.unlink(b);
        flags[b] &= ~(CACHED | FREE);
        pools.refs[b] = 0;
      }
      for (const b of some(pool, free)) pools.append(pool, b);
      for (const b of some(pool, cached)) flags[b] |= CACHED;
      for (const b of some(pool, held)) pools.refs[b] = (nums[num] >>> 1) ^ -(nums[num++] & 1);
      for (let b = pool.first; b < pool.first + pool.size; b++) pools.record(b);
    },
    clear: () => {
      rows.forEach((held, row) => {
        if (!held) return;
        log.add(row, DROPPED, 0);
        all(drop(row));
      });
    },
  };
}
