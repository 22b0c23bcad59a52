// Segments of requests -> stretches of waiting, prefill, decode and preemption over all frames.

import { DECODE, PREEMPTED, PREFILL, WAITING } from "./model_requests.js";

const KINDS = { [WAITING]: "waiting", [PREFILL]: "prefill", [DECODE]: "decode", [PREEMPTED]: "preempted" };
const COUNTED = { waiting: "waiting", prefill: "running", decode: "running", preempted: "preempted" };

/** The lane of one request: [{from, to, kind}], `to` being the first frame after it. */
export function lane(requests, r, frameCount) {
  const found = [];
  for (const i of requests.history.of(r)) {
    const from = requests.segFrame[i];
    const kind = KINDS[requests.phase[i]];
    const last = found[found.length - 1];
    if (last && last.open && last.kind === kind) continue;
    if (last && last.open) Object.assign(last, { to: from, open: false });
    if (kind) found.push({ from, to: frameCount, kind, open: true });
  }
  return found.map(({ from, to, kind }) => ({ from, to, kind }));
}

/** For each frame, how many requests wait, run and are preempted. */
export function laneCounts(requests, frameCount) {
  const out = {};
  for (const name of new Set(Object.values(COUNTED))) out[name] = new Int32Array(frameCount + 1);
  const { prev } = requests.history;
  for (let i = 0; i < requests.length; i++) {
    const frame = requests.segFrame[i];
    const now = COUNTED[KINDS[requests.phase[i]]];
    const was = prev[i] < 0 ? undefined : COUNTED[KINDS[requests.phase[prev[i]]]];
    if (now === was) continue;
    if (now) out[now][frame]++;
    if (was) out[was][frame]--;
  }
  for (const counts of Object.values(out)) {
    for (let f = 1; f <= frameCount; f++) counts[f] += counts[f - 1];
  }
  return out;
}
