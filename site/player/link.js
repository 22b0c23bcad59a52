// Step, request and block <-> the address: `#step=41&request=twin-b-1f2e&block=7`.

const LONGEST = 200;

/** The state as a hash. Long ids stand as `@` and their number, so that an address stays short. */
export function toHash(model, { frame, request, block }) {
  const parts = [`step=${stepName(model, frame)}`];
  if (request >= 0) {
    const id = model.name(request);
    parts.push(`request=${encodeURIComponent(id.length > LONGEST || !id.isWellFormed() ? `@${request}` : id)}`);
  }
  if (block >= 0) parts.push(`block=${block}`);
  return `#${parts.join("&")}`;
}

/** What a hash asks for, as far as this trace has it: {frame, request, block}, each maybe absent. */
export function fromHash(model, hash) {
  const asked = new Map(hash.replace(/^#/, "").split("&").map((one) => split(one)));
  const found = {};
  if (asked.has("step")) {
    const frame = frameOf(model, asked.get("step"));
    if (frame >= 0) found.frame = frame;
  }
  if (asked.has("request")) found.request = requestOf(model, asked.get("request"));
  const block = Number(asked.get("block"));
  if (asked.has("block") && Number.isInteger(block) && block >= 0 && block < model.blockCount) found.block = block;
  return found;
}

/** Whether a hash is one of ours (or none): another page's anchor is left alone. */
export function ours(hash) {
  return hash === "" || hash === "#" || hash.startsWith("#step=");
}

/** "start", a step's number, or "end" -> frame; -1 where there is none. */
export function frameOf(model, text) {
  const last = model.frameCount - 1;
  if (text === "start" || text === "0") return 0;
  if (text === "end") return last;
  const step = Number(text);
  return text !== "" && Number.isInteger(step) ? model.frameOfStep(step) : -1;
}

/** The request of that internal id, of a user's id that only one has, or `@number`; else -1. */
export function requestOf(model, id) {
  const exact = model.find(id).filter((r) => model.name(r) === id || model.external(r) === id);
  const internal = exact.find((r) => model.name(r) === id);
  if (internal !== undefined) return internal;
  if (exact.length) return exact[0];
  const index = /^@(\d{1,9})$/.exec(id);
  return index && Number(index[1]) < model.requestCount ? Number(index[1]) : -1;
}

function stepName(model, frame) {
  if (frame === 0) return "start";
  return frame === model.frameCount - 1 ? "end" : String(model.step(frame));
}

function split(text) {
  const at = text.indexOf("=");
  const value = at < 0 ? "" : text.slice(at + 1);
  try {
    return [text.slice(0, Math.max(at, 0)), decodeURIComponent(value)];
  } catch {
    return ["", ""];
  }
}
