// Changes of many things, frame by frame -> each thing's last change at any frame.

/**
 * `entity[i]` is the thing that change i is about, and changes from[f] to from[f + 1] belong to
 * frame f. `at[e]` is the last change of e at the cursor's frame, -1 where it had none yet.
 *
 * Any frame is near: each change knows the one before it, so that the cursor goes both ways, and
 * `at` is kept as it was after every so many changes.
 */
export class History {
  constructor(count, from, entity, length) {
    this.count = count;
    this.from = from;
    this.entity = entity;
    this.at = new Int32Array(count).fill(-1);
    this.frame = -1;
    this.every = 2 * count + 1024;
    this.kept = [];
    this.prev = new Int32Array(length);
    this.last = new Int32Array(count).fill(-1);
    this.walk(length);
  }

  walk(length) {
    const { prev, last, entity, every, kept } = this;
    let next = 0;
    for (let i = 0; i < length; i++) {
      if (i === next) {
        kept.push(last.slice());
        next += every;
      }
      const e = entity[i];
      prev[i] = last[e];
      last[e] = i;
    }
  }

  /** The last change of `e` at `frame`, -1 where it had none yet. */
  find(e, frame) {
    const bound = this.from[frame + 1];
    let i = this.last[e];
    while (i >= bound) i = this.prev[i];
    return i;
  }

  /** All changes of `e`, oldest first. */
  of(e) {
    const found = [];
    for (let i = this.last[e]; i >= 0; i = this.prev[i]) found.push(i);
    return found.reverse();
  }

  /** The frame that change `i` belongs to. */
  frameOf(i) {
    let low = 0;
    let high = this.from.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.from[middle] <= i) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * Move the cursor. Returns the range of changes that were passed, or null where anything may
   * have changed.
   */
  seek(frame) {
    const { from, entity, at, prev, kept, every } = this;
    const here = from[this.frame + 1];
    const there = from[frame + 1];
    this.frame = frame;
    const near = Math.min(Math.floor(there / every), kept.length - 1);
    if (near >= 0 && Math.abs(there - here) > this.count + there - near * every) {
      at.set(kept[near]);
      for (let i = near * every; i < there; i++) at[entity[i]] = i;
      return null;
    }
    for (let i = here; i < there; i++) at[entity[i]] = i;
    for (let i = here - 1; i >= there; i--) at[entity[i]] = prev[i];
    return here < there ? [here, there] : [there, here];
  }
}
