// The model's marks -> the frames worth a jump: where a hit was used, where a refusal begins.
//
// A request that waits is looked up and refused again in each step: only the first refusal in a
// row counts, and only the hit with which it was admitted.

const MOST = 2000;

/** kind -> ascending frames. Very long recordings keep the model's marks as they are. */
export function worthwhile(model) {
  const { preemption, eviction, hit, refusal } = model.marks;
  return { preemption, refusal: begins(model, refusal), hit: used(model, hit), eviction };
}

function used(model, frames) {
  if (frames.length > MOST) return frames;
  return frames.filter((frame) => hitsAt(model, frame).length > 0);
}

/** The requests that were admitted in a frame with a prefix hit: looked up, and not turned away. */
export function hitsAt(model, frame) {
  const facts = model.facts(frame);
  const left = new Set(facts.filter((one) => one.kind === "refused" || one.kind === "exit").map((one) => one.request));
  return facts.filter((one) => one.kind === "hit" && one.values.hit > 0 && !left.has(one.request)).map((one) => one.request);
}

function begins(model, frames) {
  if (frames.length > MOST) return frames;
  const refused = (frame) => {
    const facts = model.facts(frame);
    const helped = new Set(facts.filter((one) => one.kind === "preempted").map((one) => one.other));
    return facts.filter((one) => one.kind === "refused" && !helped.has(one.request)).map((one) => one.request);
  };
  return frames.filter((frame) => {
    const before = new Set(frame > 0 ? refused(frame - 1) : []);
    return refused(frame).some((request) => !before.has(request));
  });
}

/** The next (1) or previous (-1) of ascending frames; -1 where there is none. */
export function beside(frames, frame, way) {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (way > 0 ? frames[middle] <= frame : frames[middle] < frame) low = middle + 1;
    else high = middle;
  }
  const at = way > 0 ? low : low - 1;
  return at >= 0 && at < frames.length ? frames[at] : -1;
}
