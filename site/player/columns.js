// Bytes of a payload -> its header and its columns as typed arrays.
// The format is described in tracing/pagewalk/views/payload_columns.py.

const MAGIC = 0x4b574750; // "PGWK", little-endian
const SCHEMA = 1;

/** Unpack gzip if it is gzip (a server may have unpacked it already). */
async function unpacked(source) {
  let bytes = source instanceof Uint8Array ? source : new Uint8Array(source);
  if (bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b) {
    // gzip ends with the length of what is in it, so that it can be read into one buffer.
    const tail = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4, 4);
    const whole = new Uint8Array(tail.getUint32(0, true));
    const reader = new Response(bytes).body.pipeThrough(new DecompressionStream("gzip")).getReader();
    let at = 0;
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        whole.set(part.value, at);
        at += part.value.length;
      }
    } catch {
      throw new Error("The recording is damaged: it cannot be unpacked.");
    }
    if (at !== whole.length) throw new Error("The recording is damaged: it is cut off.");
    bytes = whole;
  }
  return bytes;
}

/** Read a payload; `columns` maps a name to its values. Throws an Error with one sentence. */
export async function read(source) {
  const bytes = await unpacked(source);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 12 || view.getUint32(0, true) !== MAGIC) {
    throw new Error("This is not a recording of pagewalk.");
  }
  const schema = view.getUint32(4, true);
  if (schema !== SCHEMA) {
    throw new Error(`The recording has schema ${schema}, and this player shows schema ${SCHEMA}.`);
  }
  const begin = 12 + view.getUint32(8, true);
  if (begin > bytes.length) throw new Error("The recording is damaged: its header is cut off.");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, begin)));
  const columns = {};
  for (const one of header.columns) columns[one.name] = values(bytes, begin + one.offset, one);
  delete header.columns;
  return { header, columns };
}

const WIDTH = { u8: 1, u16: 2, u32: 4, f64: 8 };

function values(bytes, at, spec) {
  const { length, dtype } = spec;
  const width = WIDTH[dtype];
  if (width === undefined || at + length * width > bytes.length) {
    throw new Error(`The recording is damaged: its column ${spec.name} is cut off.`);
  }
  const raw = plain(bytes, at, length, dtype);
  if (spec.delta) return summed(raw);
  return spec.zigzag ? unfolded(raw) : raw;
}

/** Values as they were folded: small typed arrays of the column's own width. */
function plain(bytes, at, length, dtype) {
  if (dtype === "u8") return bytes.subarray(at, at + length);
  if (dtype === "f64") {
    return new Float64Array(bytes.slice(at, at + 8 * length).buffer);
  }
  const b = at + length;
  if (dtype === "u16") {
    const out = new Uint16Array(length);
    for (let i = 0; i < length; i++) out[i] = bytes[at + i] | (bytes[b + i] << 8);
    return out;
  }
  const c = b + length;
  const d = c + length;
  const out = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    out[i] = bytes[at + i] | (bytes[b + i] << 8) | (bytes[c + i] << 16) | (bytes[d + i] << 24);
  }
  return out;
}

/** Undo zigzag; doubles where a value may be larger than 31 bits. */
function unfolded(raw) {
  const length = raw.length;
  if (raw instanceof Float64Array) {
    return raw.map((value) => (value % 2 ? -(value + 1) / 2 : value / 2));
  }
  const out = new Int32Array(length);
  for (let i = 0; i < length; i++) out[i] = (raw[i] >>> 1) ^ -(raw[i] & 1);
  return out;
}

/** Undo zigzag, then add up. */
function summed(raw) {
  const steps = unfolded(raw);
  const out = new Float64Array(steps.length);
  let sum = 0;
  for (let i = 0; i < steps.length; i++) out[i] = sum += steps[i];
  return out;
}

/** counts per frame -> where each frame's entries begin, one more than there are frames. */
export function offsets(counts) {
  const out = new Int32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) out[i + 1] = out[i] + counts[i];
  return out;
}
