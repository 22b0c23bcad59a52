// Colours, type, header, sentence and controls.

export const BASE = `
:host { display: block; container-type: inline-size; }
[hidden] { display: none !important; }
.player {
  --paper: #fff; --soft: #f5f6f8; --ink: #1e2128; --quiet: #5a606c; --line: #d9dce2; --strong: #9aa0ab;
  --red: #b3261e; --red-soft: #fdecea; --dye-l: .82; --dye-c: .105; --dye-ink: #14161b; --mix: #fff; --empty: 20%;
  color: var(--ink); background: var(--paper); color-scheme: light;
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums; border: 1px solid var(--line); border-radius: 10px; overflow: clip;
  text-align: start;
}
.player[data-theme=dark] {
  --paper: #191b20; --soft: #21242a; --ink: #edeff3; --quiet: #a4abb8; --line: #343841; --strong: #656c79;
  --red: #ff8a80; --red-soft: #3a2022; --dye-l: .75; --mix: #191b20; --empty: 64%; color-scheme: dark;
}
*, *::before, *::after { box-sizing: border-box; }
h2, h3, h4, p, ol, ul, dl, dd { margin: 0; padding: 0; }
ol, ul { list-style: none; }
h2 { font-size: 13px; font-weight: 600; }
h3 { font-size: 12px; font-weight: 600; color: var(--quiet); }
bdi { unicode-bidi: isolate; overflow-wrap: anywhere; }
button, select, input { font: inherit; color: inherit; }
button {
  min-height: 32px; min-width: 32px; padding: 0 8px; border: 1px solid var(--line); border-radius: 6px;
  background: var(--paper); cursor: pointer;
}
button:hover:not(:disabled) { background: var(--soft); border-color: var(--strong); }
button:disabled { color: var(--strong); cursor: default; }
:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
.quiet, .more { color: var(--quiet); }
.live { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.message { padding: 28px 20px; text-align: center; color: var(--quiet); }
.message.hurts { color: var(--red); }

.chip {
  display: inline-flex; align-items: center; justify-content: center; min-width: 20px; height: 20px; padding: 0 4px;
  border-radius: 5px; background-color: oklch(var(--dye-l) var(--dye-c) var(--hue)); color: var(--dye-ink);
  font-size: 12px; font-weight: 700; line-height: 1; flex: none;
}
.chip[data-pattern="1"] { background-image: linear-gradient(to top, var(--dye-ink) 2.5px, transparent 2.5px); }
.chip[data-pattern="2"] { background-image: linear-gradient(to right, var(--dye-ink) 2.5px, transparent 2.5px); padding-inline-start: 6px; }
.chip[data-pattern="3"] { background-image: linear-gradient(to top, var(--dye-ink) 2.5px, transparent 2.5px), linear-gradient(to bottom, var(--dye-ink) 2.5px, transparent 2.5px); }
.who {
  display: inline-flex; align-items: center; gap: 6px; border-color: transparent; background: none; padding: 0 4px;
  max-width: 100%; text-align: start; vertical-align: middle;
}
.who[aria-pressed=true] { background: var(--soft); border-color: var(--ink); }

.top {
  display: flex; align-items: center; gap: 12px; justify-content: space-between; padding: 6px 8px 6px 16px;
  border-bottom: 1px solid var(--line); color: var(--quiet); font-size: 13px; min-height: 46px;
}
.top b { color: var(--ink); }
.top-buttons { display: flex; gap: 6px; flex: none; }
.sentence { padding: 14px 16px 10px; min-height: 86px; font-size: 15px; color: var(--quiet); line-height: 32px; }
.clause.first { display: block; font-size: 20px; font-weight: 600; color: var(--ink); letter-spacing: -.01em; }
.clause.hurts.first::before { content: "✕ "; color: var(--red); }
.clause.hurts:not(.first) { color: var(--red); }
.sentence .who { vertical-align: baseline; align-items: baseline; font-size: inherit; font-weight: inherit; color: var(--ink); padding: 0 3px; margin: 0 -2px; }
.sentence .who bdi { text-decoration: underline; text-decoration-color: var(--strong); text-decoration-thickness: 1px; text-underline-offset: 4px; }
.clause.first .chip { min-width: 26px; height: 26px; font-size: 15px; }

.transport { display: grid; grid-template-columns: auto minmax(160px, 1fr); gap: 4px 20px; padding: 4px 16px 12px; align-items: center; }
.buttons { display: flex; align-items: center; gap: 4px; }
.buttons button { width: 36px; height: 36px; padding: 0; display: grid; place-items: center; }
.icon { display: block; }
.buttons .play { width: 44px; background: var(--ink); color: var(--paper); border-color: var(--ink); font-size: 15px; }
.buttons .play:hover:not(:disabled) { background: var(--ink); opacity: .85; }
.buttons .back { transform: none; }
.where { margin-inline-start: 10px; white-space: nowrap; font-weight: 600; }
.speed { height: 32px; margin-inline-start: 8px; border: 1px solid var(--line); border-radius: 6px; background: var(--paper); padding: 0 2px; }
.track { position: relative; padding-top: 22px; }
.ticks { position: absolute; inset: 0 0 auto 0; width: 100%; height: 20px; }
.slider { display: block; width: 100%; height: 32px; margin: 0; appearance: none; background: none; cursor: pointer; touch-action: pan-y; }
.slider::-webkit-slider-runnable-track { height: 4px; border-radius: 2px; background: var(--line); }
.slider::-moz-range-track { height: 4px; border-radius: 2px; background: var(--line); }
.slider::-webkit-slider-thumb { appearance: none; width: 16px; height: 24px; margin-top: -10px; border-radius: 5px; border: 2px solid var(--paper); background: var(--ink); }
.slider::-moz-range-thumb { width: 12px; height: 20px; border-radius: 5px; border: 2px solid var(--paper); background: var(--ink); }
.kinds { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 6px; }
.kind-row { display: flex; border: 1px solid var(--line); border-radius: 8px; overflow: clip; }
.kind-row button { border: 0; border-radius: 0; }
.kind-row button:focus-visible { outline-offset: -3px; }
.kind-row .kind { display: flex; align-items: center; gap: 5px; justify-content: center; padding: 0 4px; font-size: 13px; }
.kind-row.chosen { border-color: var(--ink); box-shadow: inset 0 0 0 1px var(--ink); }
.kind-row.here .kind { font-weight: 700; }
.kind-row.here { background: var(--soft); }
.sign { font-style: normal; }
.sign-preemption, .sign-refusal { color: var(--red); }
.many { color: var(--quiet); font-weight: 400; }

.help { border: 1px solid var(--line); border-radius: 12px; padding: 24px; max-width: 520px; font: 15px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }
.help::backdrop { background: rgb(0 0 0 / .45); }
.help h2 { font-size: 19px; margin: 0 0 8px; }
.help dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 16px; margin: 16px 0; }
.help dt, .help dd { margin: 0; }
.help kbd { font: 600 13px/1 ui-monospace, monospace; border: 1px solid currentColor; border-radius: 5px; padding: 2px 6px; white-space: nowrap; }
.help button { background: Canvas; color: CanvasText; border: 1px solid currentColor; border-radius: 6px; padding: 0 16px; min-height: 36px; }
.dialog-end { text-align: end; }

@container (max-width: 760px) {
  .transport { grid-template-columns: minmax(0, 1fr); }
  .track { order: -1; }
  .buttons { flex-wrap: wrap; }
  .sentence { padding-inline: 12px; min-height: 136px; }
  .clause.first { font-size: 18px; }
  .top { padding-inline-start: 12px; }
  .transport { padding-inline: 12px; }
  .kinds { display: grid; grid-template-columns: 1fr 1fr; }
  .kind-row .kind { display: flex; align-items: center; gap: 5px; justify-content: center; flex: 1; font-size: 12px; min-width: 0; padding: 0; }
}
`;
