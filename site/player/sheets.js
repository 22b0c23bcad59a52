// The styles of the player -> constructed sheets, made once and shared: a strict policy allows these.

import { BASE } from "./style_base.js";
import { EMBEDDED } from "./style_embedded.js";
import { GRID } from "./style_grid.js";
import { PANES } from "./style_panes.js";
import { WORKERS } from "./style_workers.js";

let made = null;

/** The sheets for a shadow root. What holds inside a text is in no layer, and so has the last word. */
export function sheets() {
  made ||= [...[BASE, GRID, PANES, WORKERS].map((text) => `@layer player {${text}}`), EMBEDDED].map((text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return sheet;
  });
  return made;
}
