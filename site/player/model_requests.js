// Segments of a payload -> what each request is at the cursor's frame.
// Segments and the rules that foresee them are in tracing/pagewalk/views/payload_requests.py.

import { History } from "./model_history.js";
import { offsets } from "./columns.js";

export const RUNNING = 1;
export const FIRST_QUEUE = 3;
export const WAITING = 1;
export const PREFILL = 2;
export const DECODE = 3;
export const PREEMPTED = 4;
export const FINISHED = 5;
const ADMISSIONS = ["running", "new", "resumed"];
const PLACE = 1; // the number of the field that comes with a stamp

export class Requests {
  constructor(header, columns) {
    this.header = header;
    this.count = header.names.length;
    const from = offsets(columns.seg_count);
    this.length = from[from.length - 1];
    this.history = new History(this.count, from, columns.seg_request, this.length);
    this.segments(columns);
    this.orderHead = columns.order_head;
    this.orderRequest = columns.order_request;
    this.orderFrom = offsets(this.orderHead.filter((_, i) => i % 2));
    this.frame = -1;
  }

  /** Decode all segments: each begins with what the one before foresees for its frame. */
  segments(columns) {
    const { length, count } = this;
    const names = this.header.fields;
    const columnsOf = names.map((name) => columns[`seg_${name}`]);
    const next = names.map(() => 0);
    // `status` is also what a request is asked for, so its column has a longer name.
    const own = (name) => (name === "status" ? "statusWord" : name);
    for (const name of names) this[own(name)] = new Int32Array(length);
    this.stamp = new Float64Array(length);
    this.segFrame = new Int32Array(length);
    const out = names.map((name) => this[own(name)]);
    const [computedAt, tokensAt] = [names.indexOf("computed"), names.indexOf("tokens")];
    const admissionAt = names.indexOf("admission");
    const { from, prev } = this.history;
    let stamps = 0;
    for (let frame = 0; frame + 1 < from.length; frame++) {
      for (let i = from[frame]; i < from[frame + 1]; i++) {
        const mask = columns.seg_mask[i];
        const before = prev[i];
        this.segFrame[i] = frame;
        this.stamp[i] = before < 0 ? 0 : this.stamp[before];
        const computed = before < 0 ? 0 : this.computedAt(before, frame);
        const tokens = before < 0 ? 0 : this.tokensAt(before, frame);
        for (let field = 0; field < names.length; field++) {
          let base = before < 0 || field === admissionAt ? 0 : out[field][before];
          if (field === computedAt) base = computed;
          else if (field === tokensAt) base = tokens;
          if (!(mask & (1 << field))) out[field][i] = base;
          else {
            const value = columnsOf[field][next[field]++];
            out[field][i] = field === computedAt || field === tokensAt ? base + value : value;
          }
        }
        if (mask & (1 << PLACE)) this.stamp[i] += columns.seg_stamp[stamps++];
      }
    }
  }

  computedAt(i, frame) {
    return this.computed[i] + (frame - this.segFrame[i]) * this.share[i];
  }

  tokensAt(i, frame) {
    const speaks = this.share[i] && this.computed[i] >= this.tokens[i];
    return this.tokens[i] + (speaks ? frame - this.segFrame[i] : 0);
  }

  seek(frame) {
    this.history.seek(frame);
    this.frame = frame;
  }

  /** The requests in one place, in its order. */
  inPlace(place) {
    const { at } = this.history;
    const found = [];
    for (let r = 0; r < this.count; r++) {
      const i = at[r];
      if (i >= 0 && this.place[i] === place) found.push(r);
    }
    return this.sorted(found);
  }

  sorted(found) {
    const { at } = this.history;
    found.sort((a, b) => this.stamp[at[a]] - this.stamp[at[b]]);
    return Int32Array.from(found);
  }

  /** How many requests the engine has let go by now. */
  finishedCount() {
    const { at } = this.history;
    let count = 0;
    for (let r = 0; r < this.count; r++) {
      if (at[r] >= 0 && this.phase[at[r]] === FINISHED) count++;
    }
    return count;
  }

  /** The request at the cursor's frame: null where the engine does not know it yet. */
  status(r) {
    const i = this.history.at[r];
    if (i < 0) return null;
    const { frame } = this;
    const share = this.share[i];
    const admission = this.segFrame[i] === frame ? this.admission[i] : 0;
    return {
      status: this.header.words[this.statusWord[i]],
      phase: this.phase[i],
      place: this.place[i],
      computed: this.computedAt(i, frame),
      tokens: this.tokensAt(i, frame),
      share,
      drafts: this.drafts[i],
      admission: share ? ADMISSIONS[admission] : "",
    };
  }

  /** Who got tokens in the cursor's frame, in scheduling order. */
  shares() {
    const { at } = this.history;
    let found = [];
    for (let r = 0; r < this.count; r++) {
      if (at[r] >= 0 && this.share[at[r]]) found.push(r);
    }
    found = this.listedOrder() ?? this.sorted(found);
    return Array.from(found, (request) => {
      const one = this.status(request);
      return { request, tokens: one.share, admission: one.admission, drafts: one.drafts };
    });
  }

  /** The order of the shares where it is not that of the running list. */
  listedOrder() {
    const heads = this.orderHead;
    let low = 0;
    let high = heads.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (heads[2 * middle] <= this.frame) low = middle + 1;
      else high = middle;
    }
    if (!low || !heads[2 * low - 1]) return null;
    return this.orderRequest.slice(this.orderFrom[low - 1], this.orderFrom[low]);
  }

  /** Tokens scheduled in the cursor's frame. */
  used() {
    const { at } = this.history;
    let sum = 0;
    for (let r = 0; r < this.count; r++) if (at[r] >= 0) sum += this.share[at[r]];
    return sum;
  }

  /** The first frame in which the engine knows the request, and that in which it let it go. */
  span(r) {
    const all = this.history.of(r);
    if (!all.length) return { arrived: -1, finished: -1 };
    const last = all[all.length - 1];
    return {
      arrived: this.segFrame[all[0]],
      finished: this.phase[last] === FINISHED ? this.segFrame[last] : -1,
    };
  }
}
