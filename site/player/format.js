// Numbers -> text as people read it: counts, durations, spans.

/** 1234567 -> "1,234,567". */
export function number(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 token", "2 tokens". */
export function count(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}

/** Nanoseconds -> three digits and a unit. */
export function duration(ns) {
  const size = Math.abs(ns);
  if (size < 1e3) return `${Math.round(ns)} ns`;
  for (const [unit, scale, upTo] of [["µs", 1e3, 1e6], ["ms", 1e6, 1e9], ["s", 1e9, 1.2e11]]) {
    if (size < upTo) return `${digits(ns / scale)} ${unit}`;
  }
  return `${digits(ns / 6e10)} min`;
}

function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** "a, b and c" out of parts that may be nodes; at most `most`, the rest counted. */
export function listed(parts, most = 3) {
  const shown = parts.slice(0, most).map((one) => [one]);
  const rest = parts.length - shown.length;
  if (rest > 0) shown.push([`${number(rest)} more`]);
  return shown.flatMap((one, at) => (at === 0 ? one : [at === shown.length - 1 ? " and " : ", ", ...one]));
}

/** "FINISHED_LENGTH_CAPPED" -> "length capped". */
export function spoken(status) {
  return String(status || "").replace(/^FINISHED_/, "").replaceAll("_", " ").toLowerCase();
}
