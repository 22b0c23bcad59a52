// Facts of a payload -> what happened in each frame, and in which frames what happened.

import { offsets } from "./columns.js";

const MARKED = { preemption: "preempted", hit: "hit", refusal: "refused" };

export class Facts {
  constructor(header, columns) {
    this.header = header;
    this.kinds = Object.keys(header.kinds);
    this.from = offsets(columns.fact_count);
    this.length = this.from[this.from.length - 1];
    this.kind = columns.fact_kind;
    this.requests = columns.fact_request;
    this.other = columns.fact_other;
    this.value = columns.fact_value;
    this.places(columns.fact_exit);
    this.index();
  }

  /** Where each fact's values begin, and which exit it is. */
  places(exits) {
    const { sites, kinds } = this.header;
    const widths = this.kinds.map((kind) => kinds[kind].names.length);
    const exit = this.kinds.indexOf("exit");
    this.begin = new Int32Array(this.length + 1);
    this.site = new Int32Array(this.length).fill(-1);
    let next = 0;
    for (let i = 0; i < this.length; i++) {
      let width = widths[this.kind[i]];
      if (this.kind[i] === exit) {
        this.site[i] = exits[next++];
        width = sites[this.site[i]].names.length;
      }
      this.begin[i + 1] = this.begin[i] + width;
    }
  }

  /** The facts of each request but its exits, and of each kind that is marked. */
  index() {
    const exit = this.kinds.indexOf("exit");
    this.ofRequest = new Map();
    const frames = Object.fromEntries(Object.values(MARKED).map((kind) => [kind, []]));
    for (let frame = 0; frame + 1 < this.from.length; frame++) {
      for (let i = this.from[frame]; i < this.from[frame + 1]; i++) {
        if (this.kind[i] === exit) continue;
        const list = frames[this.kinds[this.kind[i]]];
        if (list && list[list.length - 1] !== frame) list.push(frame);
        const r = this.requests[i] - 1;
        const own = this.ofRequest.get(r);
        if (own) own.push(frame, i);
        else this.ofRequest.set(r, [frame, i]);
      }
    }
    this.marks = {};
    for (const [mark, kind] of Object.entries(MARKED)) this.marks[mark] = Int32Array.from(frames[kind]);
  }

  /** Facts of one kind about a request, up to a frame: [[frame, index], ...]. */
  about(r, kind, frame = Infinity) {
    const found = [];
    const wanted = this.kinds.indexOf(kind);
    const own = this.ofRequest.get(r) ?? [];
    for (let k = 0; k < own.length && own[k] <= frame; k += 2) {
      if (this.kind[own[k + 1]] === wanted) found.push([own[k], own[k + 1]]);
    }
    return found;
  }

  /** The values of a fact, by name. */
  values(i) {
    const kind = this.header.kinds[this.kinds[this.kind[i]]];
    const site = this.header.sites[this.site[i]];
    const out = {};
    (site ? site.names : kind.names).forEach((name, at) => {
      const folded = this.value[this.begin[i] + at];
      if (folded === 0) return;
      const value = folded % 2 ? (folded - 1) / 2 : -folded / 2;
      if (name.endsWith("$")) out[name.slice(0, -1)] = this.header.words[value];
      else out[name] = value;
    });
    if (site) {
      const { kind: kind_name, loop, line, guard } = site;
      Object.assign(out, { kind_name, loop, line, guard });
    }
    return out;
  }

  /** The facts of a frame, in the order of the events. */
  of(frame) {
    const found = [];
    for (let i = this.from[frame]; i < this.from[frame + 1]; i++) {
      const kind = this.kinds[this.kind[i]];
      const { event } = this.header.kinds[kind];
      found.push({
        kind,
        request: this.requests[i] - 1,
        other: this.other[i] - 1,
        values: this.values(i),
        event,
        source: this.source(this.site[i] >= 0 ? this.site[i] : event),
      });
    }
    return found;
  }

  /** The place in the engine's source of an event (by name) or an exit (by number), or null. */
  source(what) {
    const { sites, sources, source_url: base } = this.header;
    const site = typeof what === "number" ? sites[what] : sources[what];
    if (!site) return null;
    const { file, line } = site;
    const symbol = site.symbol ?? site.function;
    const url = base && file ? base + file + (line ? `#L${line}` : "") : "";
    return { symbol, file, line, url };
  }
}
