// A model at its cursor -> the whole state as plain JSON, in the shape of replay's own snapshots
// (tracing/pagewalk/replay/snapshot.py), but with `hashed` blocks in place of their hashes.

import { FINISHED } from "./model_requests.js";

// Ids may be any text, also "__proto__": objects are made by fromEntries, never by assignment.
const { fromEntries } = Object;

export function snapshot(model, blocks, requests) {
  const names = (list) => Array.from(list, (r) => model.name(r));
  return {
    ...poolsOf(model),
    tables: tablesOf(model, blocks),
    queues: fromEntries(model.header.queues.map(({ name }) => [name, names(model.queue(name))])),
    running: names(model.running()),
    requests: fromEntries(unfinished(model, requests)),
  };
}

function unfinished(model, requests) {
  const found = [];
  for (let r = 0; r < model.requestCount; r++) {
    const one = requests.status(r);
    if (!one || one.phase === FINISHED) continue;
    found.push([model.name(r), [one.status, one.computed, one.tokens]]);
  }
  return found;
}

function poolsOf(model) {
  const found = { free_queue: {}, ref_counts: {}, hashed: {} };
  model.header.pools.forEach(({ pool, first, size }, at) => {
    const own = (array) => Array.from({ length: size }, (_, b) => [b, array[first + b]]);
    const set = (array) => own(array).filter(([, value]) => value);
    found.free_queue[pool] = Array.from(model.freeQueue(at), (b) => b - first);
    found.ref_counts[pool] = fromEntries(set(model.refs));
    found.hashed[pool] = set(model.cached).map(([b]) => b);
  });
  return found;
}

function tablesOf(model, blocks) {
  const rows = model.header.tables.map(() => []);
  for (let r = 0; r < model.requestCount; r++) {
    for (const { table, blocks: held } of blocks.tablesOf(r, model.frame)) {
      const { first } = model.header.pools[model.header.tables[table].pool_index];
      rows[table].push([model.name(r), Array.from(held, (b) => b - first)]);
    }
  }
  return fromEntries(model.header.tables.map(({ table }, at) => [table, fromEntries(rows[at])]));
}
