// Request numbers -> letters, short ids and chips. Ids are text of strangers: elided, isolated.

import { h } from "./dom.js";
import { angle, pattern } from "./hues.js";

const SHOWN = 24;

/** A, B, ... Z, AA, AB, ... as columns of a spreadsheet are named. */
export function letter(request) {
  let left = request + 1;
  let text = "";
  while (left > 0) {
    left -= 1;
    text = String.fromCharCode(65 + (left % 26)) + text;
    left = Math.floor(left / 26);
  }
  return text;
}

/** Both ends of a long text, the middle left out; whole characters only. */
function elide(text, most = SHOWN) {
  if (text.length <= most) return text;
  const points = Array.from(text.length > 4 * most ? text.slice(0, 2 * most) + text.slice(-2 * most) : text);
  if (points.length <= most) return points.join("");
  const head = Math.ceil((most - 1) * 0.6);
  return `${points.slice(0, head).join("")}…${points.slice(-(most - 1 - head)).join("")}`;
}

/** Text as it may stand in a title or a label: no control or direction marks, not endless. */
export function safe(text, most = 300) {
  return elide(text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd"), most);
}

/** How the requests of one model are called on the page. */
export class Names {
  constructor(model) {
    this.model = model;
    const seen = new Map();
    for (let r = 0; r < model.requestCount; r += 1) {
      const id = model.external(r);
      seen.set(id, (seen.get(id) || 0) + 1);
    }
    this.seen = seen;
  }

  /** The user's id, or the engine's where several requests share the user's (n > 1). */
  name(request) {
    const id = this.model.external(request);
    return id && this.seen.get(id) === 1 ? id : this.model.name(request);
  }

  /** The name, short enough for a row. */
  short(request, most = SHOWN) {
    return safe(this.name(request), most);
  }

  /** Letter and name, for labels that are read aloud. */
  spoken(request) {
    return `${letter(request)} ${this.short(request)}`;
  }

  /** The letter in the request's hue. */
  chip(request) {
    return h("span", {
      class: "chip",
      data: { pattern: pattern(request) },
      vars: { "--hue": angle(request) },
      text: letter(request),
    });
  }

  /** Chip and name, as a button that chooses the request. */
  who(request, choose, most = SHOWN) {
    return h(
      "button",
      {
        type: "button",
        class: "who",
        title: safe(this.model.name(request)),
        data: { request },
        on: { click: () => choose(request) },
      },
      this.chip(request),
      h("bdi", { text: this.short(request, most) }),
    );
  }
}
