// The block table, the blocks and the lines between them.

export const GRID = `
.stage { position: relative; }
.strip { min-height: 96px; }
.table-title { display: flex; align-items: center; gap: 2px; flex-wrap: wrap; min-height: 32px; white-space: pre; }
.table-title .quiet { font-weight: 400; font-size: 13px; }
.table-title .unpin { font-size: 12px; font-weight: 400; color: var(--quiet); margin-inline-start: 6px; }
.slots { display: flex; flex-wrap: wrap; gap: 4px; min-height: 46px; max-height: 150px; overflow-y: auto; align-items: stretch; }
.slots .break { flex-basis: 100%; }
.slots:has(.break) { row-gap: 1px; }
.slots .none, .slots .group { align-self: center; color: var(--quiet); padding: 0 6px; }
.slot {
  position: relative; width: 46px; height: 44px; padding: 0; overflow: clip; display: flex; flex-direction: column;
  align-items: center; justify-content: center; border: 1.5px solid oklch(calc(var(--dye-l) - .2) var(--dye-c) var(--hue)); border-radius: 5px;
  background: color-mix(in oklch, oklch(var(--dye-l) var(--dye-c) var(--hue)) var(--empty), var(--mix));
}
.slot:hover:not(:disabled) { background: color-mix(in oklch, oklch(var(--dye-l) var(--dye-c) var(--hue)) var(--empty), var(--mix)); border-color: var(--ink); }
.slot > .fill { inset: 0 auto 0 0; width: calc(var(--level) * 100%); height: auto; }
.slot b { position: relative; font-size: 15px; line-height: 1.15; }
.slot .to { position: relative; font-size: 11px; line-height: 1.1; }
.slot .to::before { content: "→ "; opacity: .7; }
.slot.chosen { outline: 3px solid var(--ink); outline-offset: 1px; }
.grid-title { margin: 12px 0 0; font-weight: 600; font-size: 13px; }
.grid-place { margin-top: 44px; }
.lines { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; overflow: visible; }
.lines path { fill: none; stroke: oklch(calc(var(--dye-l) - .17) calc(var(--dye-c) + .02) var(--hue)); stroke-width: 2; opacity: .85; }
.lines circle { fill: oklch(calc(var(--dye-l) - .25) calc(var(--dye-c) + .02) var(--hue)); stroke: var(--paper); stroke-width: 1.5; }

.cells { display: grid; gap: 8px; grid-template-columns: repeat(auto-fill, minmax(62px, 1fr)); }
.cells[data-size=middle] { grid-template-columns: repeat(auto-fill, minmax(44px, 1fr)); gap: 5px; }
.cells[data-size=small] { grid-template-columns: repeat(auto-fill, minmax(36px, 1fr)); gap: 3px; }
.cells[data-size=tiny] { grid-template-columns: repeat(auto-fill, minmax(28px, 1fr)); gap: 2px; }
.cell {
  position: relative; height: 62px; padding: 0; min-width: 0; overflow: visible; border: 1.5px solid var(--line);
  border-radius: 7px; background: var(--paper); transition: background-color 120ms, border-color 120ms;
}
.cells[data-size=middle] .cell { height: 46px; border-radius: 5px; }
.cells[data-size=small] .cell { height: 32px; border-radius: 4px; }
.cells[data-size=tiny] .cell { height: 26px; overflow: clip; border-radius: 3px; }
.cell:hover:not(:disabled) { background: var(--paper); border-color: var(--ink); }
.fill { position: absolute; inset: auto 0 0 0; height: calc(var(--level, 1) * 100%); border-radius: inherit; transition: height 120ms; }
.cell > .fill { inset: auto 0 0 0; border-radius: 5px; }
.cell[data-state=used], .cell[data-state=used]:hover:not(:disabled) {
  border-color: oklch(calc(var(--dye-l) - .12) var(--dye-c) var(--hue));
  background: color-mix(in oklch, oklch(var(--dye-l) var(--dye-c) var(--hue)) var(--empty), var(--mix));
}
.cell[data-state=used] > .fill, .slot > .fill { background-color: oklch(var(--dye-l) var(--dye-c) var(--hue)); }
.cell[data-pattern="1"] > .fill, .slots[data-pattern="1"] .fill { background-image: repeating-linear-gradient(0deg, transparent 0 5px, color-mix(in srgb, var(--mix) 45%, transparent) 5px 7px); }
.cell[data-pattern="2"] > .fill, .slots[data-pattern="2"] .fill { background-image: repeating-linear-gradient(90deg, transparent 0 5px, color-mix(in srgb, var(--mix) 45%, transparent) 5px 7px); }
.cell[data-pattern="3"] > .fill, .slots[data-pattern="3"] .fill { background-image: radial-gradient(circle at 4px 4px, color-mix(in srgb, var(--mix) 55%, transparent) 1.6px, transparent 2px); background-size: 8px 8px; }
.cell.shared > .fill { background: linear-gradient(115deg, oklch(var(--dye-l) var(--dye-c) var(--hue)) 49%, var(--paper) 49% 51.5%, oklch(var(--dye-l) var(--dye-c) var(--hue2)) 51.5%); }
.cell[data-state=cached] { border-style: dashed; border-color: oklch(calc(var(--dye-l) - .15) var(--dye-c) var(--hue)); }
.cell[data-state=cached] > .fill { background: repeating-linear-gradient(135deg, oklch(var(--dye-l) var(--dye-c) var(--hue)) 0 2px, transparent 2px 7px); }
.cell[data-state=null] { border-style: dotted; border-color: var(--strong); color: var(--quiet); }
.cell[data-state=held] { background: var(--soft); }
.cell .label { position: relative; font-weight: 700; font-size: 18px; }
/* Dark ink in both themes: the hues are light, and so is, in the dark, what is not yet full. */
.cell[data-state=used] .label, .cell[data-state=used] .id, .cell .badge, .slot b, .slot .to { color: var(--dye-ink); }
.cell[data-state=cached] .id { background: var(--paper); border-radius: 3px; padding: 1px 2px; inset: 2px auto auto 3px; }
.cells[data-size=middle] .label { font-size: 14px; }
.cells[data-size=small] .label { font-size: 12px; }
.cells[data-size=tiny] .label { font-size: 9.5px; font-weight: 600; letter-spacing: -.02em; }
.cell .id { position: absolute; inset: 3px auto auto 5px; font-size: 10.5px; line-height: 1; color: var(--quiet); }
.cells[data-size=small] .id, .cells[data-size=tiny] .id { display: none; }
.cell .badge { position: absolute; inset: auto 4px 3px auto; font-size: 11px; line-height: 1; font-weight: 700; color: var(--ink); }
.cells[data-size=tiny] .badge, .cells[data-size=small] .badge { display: none; }
.cell .place {
  position: absolute; inset: -7px -5px auto auto; min-width: 18px; padding: 0 4px; border-radius: 9px; background: var(--ink);
  color: var(--paper); font-size: 11px; line-height: 18px; font-weight: 600; z-index: 1;
}
.cell .place:empty, .cell .badge:empty { display: none; }
.cell.changed { box-shadow: 0 0 0 2px var(--paper), 0 0 0 4px var(--ink); }
.cells[data-size=tiny] .cell.changed, .cells[data-size=small] .cell.changed { box-shadow: 0 0 0 2px var(--ink); z-index: 1; }
.cell.mine { border-width: 2.5px; border-color: oklch(calc(var(--dye-l) - .3) calc(var(--dye-c) + .03) var(--hue)); }
.cell.chosen { outline: 3px solid var(--ink); outline-offset: 4px; }
.quick .cell, .quick .fill { transition: none; }

.free-row { display: flex; align-items: center; justify-content: space-between; gap: 10px; margin-top: 2px; min-height: 32px; }
.next-free { min-width: 0; color: var(--quiet); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.order { font-size: 12px; white-space: nowrap; flex: none; }
.order[aria-pressed=true] { background: var(--ink); color: var(--paper); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 16px; margin-top: 12px; padding-top: 12px; border-top: 1px solid var(--line); font-size: 12px; color: var(--quiet); }
.legend li { display: flex; align-items: center; gap: 7px; }
.legend .key { display: inline-grid; place-items: center; width: 24px; height: 20px; border-radius: 4px; flex: none; }
.legend .key .fill { border-radius: 2px; }
.legend .key .label { font-size: 10px; }
.legend .key.changed { box-shadow: 0 0 0 1px var(--paper), 0 0 0 3px var(--ink); transform: scale(.8); }
.pixel-grid { touch-action: pan-y; cursor: crosshair; }
.pixels { display: block; image-rendering: pixelated; }
.card { min-height: 24px; margin-top: 6px; color: var(--quiet); }

@container (max-width: 760px) {
  .cells { grid-template-columns: repeat(auto-fill, minmax(46px, 1fr)); gap: 6px; }
  .cell { height: 50px; }
  .cell .label { font-size: 15px; }
  .slot { width: 42px; }
  .table-title .quiet { display: none; }
}
@media (prefers-reduced-motion: reduce) { .cell, .fill { transition: none; } }
`;
