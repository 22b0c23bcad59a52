// Batches of a payload -> what each rank of the engine's workers ran in a step: rows, slots, verdict.
// What is listed and what is to be expected is told in tracing/pagewalk/views/payload_workers.py.

import { offsets } from "./columns.js";

export const NONE = 0;
export const SAME = 1;
export const DIFFERS = 2;
export const IN_PART = 3;
// A batch is built on the one before it; every so many of a rank are kept whole.
const EVERY = 32;
const [COMPUTED, TOKENS, STATE, WIDE] = [1, 2, 3, 4]; // of a row: its request, and these
const NO_ROWS = new Float64Array(0);

export class Workers {
  constructor(header, columns) {
    this.lanes = header.workers.map((one) => ({ ...one, batches: 0, differing: 0, partly: 0, first: -1 }));
    this.words = header.words;
    this.tables = header.tables;
    this.pools = header.pools;
    this.columns = columns;
    this.from = offsets(columns.worker_count);
    this.rowFrom = offsets(columns.worker_changed);
    this.oddFrom = offsets(columns.worker_odd);
    this.runFrom = offsets(columns.worker_odd_runs);
    this.mostRows = columns.worker_rows.reduce((most, one) => Math.max(most, one), 0);
    this.worked = columns.worker_source.includes(1); // nobody saw the slots themselves
    this.verdicts = this.lanes.map(() => new Uint8Array(header.frames));
    this.ofLane = this.lanes.map(() => []); // the batches of a rank, in order
    this.place = new Int32Array(columns.worker_lane.length); // of a batch among those of its rank
    this.said = new Map();
    this.index();
    this.kept = this.lanes.map(() => []);
    this.grow();
  }

  /** What is known without any row: whose batch it is, its verdict, and in which frames one differs. */
  index() {
    const { worker_lane: lane, worker_verdict: verdict, worker_said: said, worker_about: about } = this.columns;
    const differing = new Set();
    let told = 0;
    this.frameOf = new Int32Array(lane.length);
    this.freshFrom = this.fresh(lane.length);
    for (let frame = 0; frame + 1 < this.from.length; frame++) {
      for (let batch = this.from[frame]; batch < this.from[frame + 1]; batch++) {
        const one = this.lanes[lane[batch]];
        this.frameOf[batch] = frame;
        this.verdicts[lane[batch]][frame] = verdict[batch];
        this.place[batch] = this.ofLane[lane[batch]].push(batch) - 1;
        one.batches++;
        if (verdict[batch] === IN_PART) one.partly++;
        if (verdict[batch] !== DIFFERS) continue;
        if (one.differing++ === 0) one.first = frame;
        this.said.set(batch, { said: this.words[said[told]], about: about[told] - 1 });
        told++;
        differing.add(frame);
      }
    }
    this.differing = Int32Array.from(differing);
  }

  /** Where the requests of each batch begin that were not in the batch before. */
  fresh(batches) {
    const found = new Int32Array(batches);
    let count = 0;
    for (let batch = 0; batch < batches; batch++) {
      found[batch] = count;
      for (let next = this.rowFrom[batch]; next < this.rowFrom[batch + 1]; next++) count += this.columns.worker_from[next] === 0;
    }
    return found;
  }

  /** The rows of each rank, kept here and there. Rows are numbers, four for each: a long trace
   * of large batches has millions. */
  grow() {
    const { worker_lane: lanes, worker_like: like } = this.columns;
    const now = this.lanes.map(() => NO_ROWS);
    for (let batch = 0; batch < lanes.length; batch++) {
      const lane = lanes[batch];
      if (this.place[batch] % EVERY === 0) this.kept[lane].push(now[lane]);
      now[lane] = like[batch] ? now[lanes[batch - 1]] : this.further(now[lane], batch);
    }
  }

  /** The rows of a batch from those of the batch before, which stay as they are. */
  further(before, batch) {
    const { worker_rows: many, worker_row: gap, worker_from: from, worker_request: request } = this.columns;
    const { worker_computed: computed, worker_tokens: tokens, worker_state: state } = this.columns;
    const rows = new Float64Array(WIDE * many[batch]);
    rows.set(before.length > rows.length ? before.subarray(0, rows.length) : before);
    for (let at = 0; at < rows.length; at += WIDE) rows[at + COMPUTED] += rows[at + TOKENS];
    let at = -WIDE;
    let fresh = this.freshFrom[batch];
    for (let next = this.rowFrom[batch]; next < this.rowFrom[batch + 1]; next++) {
      at += WIDE * (gap[next] + 1);
      const far = from[next];
      const was = at + WIDE * (far > 0 ? far - 1 : far);
      rows[at] = far ? before[was] : request[fresh++] - 1;
      rows[at + COMPUTED] = computed[next] + (far ? before[was + COMPUTED] + before[was + TOKENS] : 0);
      rows[at + TOKENS] = tokens[next] + (far ? before[was + TOKENS] : 0);
      rows[at + STATE] = state[next] + (far ? before[was + STATE] : -1);
    }
    return rows;
  }

  /** The rows of the batch at a place of a rank; none before the first. */
  rowsAt(lane, place) {
    if (place < 0) return NO_ROWS;
    const { worker_lane: lanes, worker_like: like } = this.columns;
    const batches = this.ofLane[lane];
    const keep = Math.floor(place / EVERY);
    let from = place;
    while (from > keep * EVERY && !like[batches[from]]) from--;
    let rows = this.kept[lane][keep];
    if (like[batches[from]]) {
      const other = batches[from] - 1;
      rows = this.rowsAt(lanes[other], this.place[other]);
      from++;
    }
    for (let at = from; at <= place; at++) rows = this.further(rows, batches[at]);
    return rows;
  }

  /** The batches of a frame. `tables` gives a request's block tables in that frame, `admission` how
   * the scheduler came to it. */
  at(frame, tables, admission) {
    const found = [];
    for (let batch = this.from[frame]; batch < this.from[frame + 1]; batch++) {
      found.push(this.batch(frame, batch, tables, admission));
    }
    return found;
  }

  batch(frame, batch, tables, admission) {
    const lane = this.columns.worker_lane[batch];
    const place = this.place[batch];
    const before = unpacked(this.rowsAt(lane, place - 1));
    const rows = unpacked(this.rowsAt(lane, place));
    const { said, about } = this.said.get(batch) ?? { said: "", about: -1 };
    let told = batch;
    while (this.columns.worker_like[told]) told--;
    const slots = this.slots(lane, told, rows, tables);
    const was = placesOf(before);
    const is = placesOf(rows);
    return {
      lane,
      rank: this.lanes[lane].rank,
      verdict: this.columns.worker_verdict[batch],
      said,
      about,
      worked: this.columns.worker_source[batch] === 1,
      since: place > 0 ? this.frameOf[this.ofLane[lane][place - 1]] : -1,
      rows: rows.map((row, at) => ({ row: at, ...row, slots: slots[at], ...changeOf(row.request, at, was, admission) })),
      gone: before.flatMap(({ request }, at) => (request >= 0 && !is.has(request) ? [{ request, row: at }] : [])),
    };
  }

  /** For each row, for each group, the runs of slots that its tokens go to: [first, how many]; null
   * where they are not known. */
  slots(lane, batch, rows, tables) {
    const { worker_odd_at: gap, worker_run_first: first, worker_run_many: many } = this.columns;
    const { groups } = this.lanes[lane];
    const listed = new Map();
    let [at, reach] = [-1, 0];
    for (let odd = this.oddFrom[batch]; odd < this.oddFrom[batch + 1]; odd++) {
      at += gap[odd] + 1;
      const runs = [];
      for (let run = this.runFrom[odd]; run < this.runFrom[odd + 1]; run++) {
        runs.push([reach + first[run], many[run]]);
        reach += first[run] + many[run];
      }
      listed.set(at, runs.length ? runs : null);
    }
    return rows.map((row, number) => {
      const held = listed.size < groups * rows.length && row.request >= 0 ? tables(row.request) : [];
      return Array.from({ length: groups }, (_, group) => {
        const key = number * groups + group;
        return listed.has(key) ? listed.get(key) : this.meant(row, held, group);
      });
    });
  }

  /** The slots by the scheduler's own table. */
  meant({ computed, tokens }, held, group) {
    const own = held.find((one) => one.group === group);
    if (!own) return tokens ? null : [];
    const { first } = this.pool(group);
    const runs = [];
    for (let token = computed; token < computed + tokens; ) {
      const offset = token % own.block_size;
      const slot = (own.blocks[Math.floor(token / own.block_size)] - first) * own.block_size + offset;
      const count = Math.min(own.block_size - offset, computed + tokens - token);
      const last = runs.at(-1);
      if (last && last[0] + last[1] === slot) last[1] += count;
      else runs.push([slot, count]);
      token += count;
    }
    return runs;
  }

  pool(group) {
    const table = this.tables.find((one) => one.group === group) ?? this.tables[group];
    return this.pools[table?.pool_index] ?? this.pools[0] ?? { first: 0, size: 0 };
  }

  blockSize(group) {
    return (this.tables.find((one) => one.group === group) ?? this.tables[group] ?? { block_size: 0 }).block_size;
  }

  /** Runs of slots cut at the ends of blocks: {block, name, offset, first, many}; `block` as the model counts. */
  parts(runs, group) {
    const size = this.blockSize(group);
    const pool = this.pool(group);
    const found = [];
    for (const [from, many] of size > 0 ? runs : []) {
      for (let slot = from; slot < from + many; ) {
        const own = Math.floor(slot / size);
        const count = Math.min((own + 1) * size, from + many) - slot;
        found.push({ block: own < pool.size ? pool.first + own : -1, own, offset: slot - own * size, first: slot, many: count });
        slot += count;
      }
    }
    return found;
  }
}

function unpacked(packed) {
  const rows = [];
  for (let at = 0; at < packed.length; at += WIDE) {
    const [request, computed, tokens, state] = packed.subarray(at, at + WIDE);
    rows.push({ request, computed, tokens, state });
  }
  return rows;
}

function placesOf(rows) {
  return new Map(rows.flatMap(({ request }, at) => (request >= 0 ? [[request, at]] : [])));
}

/** How a request came into its row: new or resumed for the scheduler, back after a batch without it,
 * entered where the scheduler's part is not known, or moved from another row. */
function changeOf(request, at, was, admission) {
  if (request < 0) return { change: "", from: -1 };
  const from = was.get(request);
  if (from === at) return { change: "", from };
  if (from !== undefined) return { change: "moved", from };
  return { change: { new: "new", resumed: "resumed", running: "back" }[admission(request)] ?? "entered", from: -1 };
}
