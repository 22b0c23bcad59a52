// Columns, queues, the step, lanes, what is chosen, and the table.

export const PANES = `
.columns { display: grid; grid-template-columns: minmax(230px, 1fr) minmax(0, 2fr) minmax(270px, 1.15fr); border-top: 1px solid var(--line); }
.columns[data-panes="queues grid"], .columns[data-panes="queues step"] { grid-template-columns: minmax(230px, 1fr) minmax(0, 2fr); }
.columns[data-panes="grid step"] { grid-template-columns: minmax(0, 2fr) minmax(270px, 1fr); }
.columns[data-panes=grid], .columns[data-panes=queues], .columns[data-panes=step] { grid-template-columns: minmax(0, 1fr); }
.pane { padding: 14px 16px; min-width: 0; }
.queues, .step, .lanes, .transport, .top { contain: layout style; }
.columns > .pane + .pane { border-inline-start: 1px solid var(--line); }
/* The picture sets the height; what is beside it scrolls, so that a step never moves the page. */
.columns:has(> .blocks:not([hidden])) > .queues, .columns:has(> .blocks:not([hidden])) > .step { contain: size; overflow-y: auto; overscroll-behavior: auto; }
.blocks { min-height: 480px; }
.columns:not(:has(> .blocks:not([hidden]))) { min-height: 420px; }

.queue + .queue { margin-top: 14px; }
.queue.empty .rows, .queue.empty .bar-legend { display: flex; flex-wrap: wrap; gap: 4px 12px; margin-top: 18px; font-size: 12px; color: var(--quiet); }
.bar-legend li { display: flex; align-items: center; gap: 5px; }
.bar-legend .bar { width: 22px; flex: none; }
.done { display: none; }
.queue.empty h2 { color: var(--quiet); font-weight: 400; }
.queue-preempted:not(.empty) h2::before { content: "✕ "; color: var(--red); }
.queue h2 { margin-bottom: 2px; }
.more:empty { display: none; }
.rows li { contain: layout style; }
.rows .who {
  display: grid; width: 100%; grid-template-columns: auto minmax(0, 1fr) auto; gap: 0 7px; padding: 3px 6px; min-height: 38px;
  grid-template-areas: "chip name tokens" "chip bar bar";
}
.rows .who bdi { grid-area: name; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; line-height: 18px; }
.rows .chip { grid-area: chip; height: 28px; min-width: 24px; }
.rows .tokens { grid-area: tokens; font-size: 12px; color: var(--quiet); line-height: 18px; }
.rows .share { grid-area: tokens; display: none; }
.rows li.new .who bdi { font-weight: 700; }
.rows li.focus .chip { outline: 2px solid var(--ink); outline-offset: 1px; }
.bar { grid-area: bar; position: relative; display: block; height: 9px; border-radius: 3px; background: var(--soft); overflow: clip; box-shadow: inset 0 0 0 1px var(--line); }
.bar-part { position: absolute; inset: 0 auto 0 calc(var(--from, 0) * 100%); width: calc(var(--part, 0) * 100%); }
.bar-computed { background: oklch(var(--dye-l) var(--dye-c) var(--hue)); box-shadow: inset 0 -1px 0 oklch(calc(var(--dye-l) - .2) var(--dye-c) var(--hue)); }
.bar-hit { background: repeating-linear-gradient(115deg, var(--ink) 0 1.5px, transparent 1.5px 5px); opacity: .75; }
.bar-again { background: repeating-linear-gradient(90deg, var(--red) 0 2px, transparent 2px 5px); }
.bar-prompt { border-inline-end: 1.5px solid var(--ink); }
.bar-legend { display: flex; flex-wrap: wrap; gap: 4px 12px; margin-top: 18px; font-size: 12px; color: var(--quiet); }
.bar-legend li { display: flex; align-items: center; gap: 5px; }
.bar-legend .bar { width: 22px; flex: none; }
.done { display: flex; flex-wrap: wrap; gap: 2px; }
.done .who { padding: 0 4px; font-size: 13px; }
.done .chip { opacity: .75; }

.step h2 { font-size: 14px; }
.budget-text { color: var(--quiet); margin: 4px 0 6px; }
.budget { display: flex; height: 30px; border-radius: 5px; overflow: clip; background: var(--soft); box-shadow: inset 0 0 0 1px var(--line); }
.part { flex: 0 0 auto; width: calc(var(--part) * 100%); overflow: hidden; text-align: center; font-size: 12px; font-weight: 700; line-height: 30px; color: var(--dye-ink); white-space: nowrap;
  background-color: oklch(var(--dye-l) var(--dye-c) var(--hue)); border-inline-end: 1px solid var(--paper); }
.shares { display: flex; flex-wrap: wrap; gap: 4px 10px; margin-top: 8px; font-size: 13px; }
.shares li { display: flex; align-items: center; gap: 4px; }
.part.left { background: none; }
.part.rest { background: var(--strong); }
.swap { margin-top: 12px; padding: 8px 10px; border-inline-start: 3px solid var(--red); background: var(--red-soft); border-radius: 0 6px 6px 0; }
.arrow { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 4px; font-weight: 600; }
.takes { color: var(--red); }
.takes::after { content: " →"; }
.limits { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 2px 12px; margin-top: 8px; font-size: 13px; }
.limits dt { color: var(--quiet); overflow-wrap: anywhere; }
.limits dd { text-align: end; overflow-wrap: anywhere; }
.step .fine { color: var(--quiet); font-size: 13px; }
.step h3 { margin-top: 14px; }
.exits li { padding: 6px 0; }
.exits li + li { border-top: 1px solid var(--line); }
.source { display: inline-block; font: 12px/1.4 ui-monospace, SFMono-Regular, Menlo, monospace; color: inherit; overflow-wrap: anywhere; padding: 2px 0; }
a.source { text-decoration: underline; text-decoration-color: var(--strong); text-underline-offset: 3px; }
a.source:hover { text-decoration-color: currentColor; }
.numbers { font-weight: 600; color: var(--ink); margin-inline-end: 6px; }
.all { margin-top: 12px; }
summary { min-height: 32px; line-height: 32px; cursor: pointer; color: var(--quiet); border-radius: 5px; }
summary:hover { color: var(--ink); }
.facts li { padding: 3px 0; border-top: 1px solid var(--line); font-size: 13px; }
.facts .source { color: var(--quiet); }

.lanes, .detail, .table { border-top: 1px solid var(--line); }
.lanes-head { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 18px; margin-bottom: 8px; }
.lane-legend { display: flex; flex-wrap: wrap; gap: 4px 14px; font-size: 12px; color: var(--quiet); flex: 1; }
.lane-legend li { display: flex; align-items: center; gap: 5px; }
.lane-legend b { color: var(--ink); }
.lane-legend .hurts { color: var(--red); }
.lane-key { display: inline-block; width: 18px; height: 10px; }
.lane-waiting { height: 0; border-top: 2px solid var(--quiet); }
.lane-preempted { height: 0; border-top: 2px dashed var(--red); }
.lane-prefill { background: oklch(var(--dye-l) var(--dye-c) 255); border: 1px solid var(--ink); height: 14px; }
.lane-decode { background: oklch(var(--dye-l) var(--dye-c) 255); }
.find { height: 34px; min-width: 0; width: 190px; padding: 0 10px; border: 1px solid var(--line); border-radius: 6px; background: var(--paper); }
.find::placeholder { color: var(--quiet); opacity: 1; }
.found { display: flex; flex-wrap: wrap; gap: 4px; }
.found:not(:empty) { margin-bottom: 8px; }
.lanes-body { display: grid; grid-template-columns: 148px minmax(0, 1fr); max-height: 460px; overflow-y: auto; }
.binned .lanes-body, .none .lanes-body { grid-template-columns: minmax(0, 1fr); }
.lanes-labels { display: flex; flex-direction: column; }
.lane-label { height: 24px; min-height: 24px; font-size: 13px; border-radius: 4px; width: 100%; }
.lane-label bdi { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.lane-label .chip { height: 18px; }
.lane-label.focus .chip { outline: 2px solid var(--ink); outline-offset: 0; }
.lanes-plot { position: relative; cursor: pointer; touch-action: pan-y; min-height: 24px; overflow: clip; }
.lanes-canvas { display: block; width: 100%; }
.lanes-cursor { position: absolute; inset: 0 auto 0 0; background: color-mix(in srgb, var(--ink) 14%, transparent); border-inline-start: 2px solid var(--ink); pointer-events: none; }
.lanes-hint { min-height: 22px; margin-top: 4px; font-size: 13px; color: var(--quiet); }

.detail { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 24px; background: var(--soft); }
.detail > :empty { display: none; }
.detail[hidden] { display: none; }
.card-head { display: flex; align-items: center; gap: 6px; }
.card-head h2 { font-size: 16px; flex: 1; min-width: 0; }
.card-head .copy { font-size: 12px; }
.state { margin: 6px 0 2px; }
.detail h3 { margin: 14px 0 4px; }
.phases, .life, .hops { max-height: 520px; overflow-y: auto; }
.phases li, .life li { display: grid; grid-template-columns: 164px minmax(0, 1fr) auto; gap: 8px; align-items: center; border-inline-start: 3px solid transparent; padding-inline-start: 6px; }
.phases li.now, .life li.now { border-color: var(--ink); background: var(--paper); }
.phase-preempted .what { color: var(--red); }
.jump { border: 0; background: none; padding: 0; text-align: start; text-decoration: underline; text-decoration-color: var(--strong); text-underline-offset: 3px; white-space: nowrap; }
.took, .at { color: var(--quiet); text-align: end; white-space: nowrap; }
.hops li { display: grid; grid-template-columns: 84px 138px minmax(0, 1fr) auto; gap: 10px; padding: 2px 0; }
.hops .hop { border-top: 1px solid var(--strong); margin-top: 3px; padding-top: 4px; }
.hops .process { font-weight: 600; overflow-wrap: anywhere; }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
caption { text-align: start; padding: 4px 0 8px; color: var(--quiet); }
th, td { text-align: start; padding: 2px 14px 2px 0; border-bottom: 1px solid var(--line); vertical-align: middle; font-weight: 400; }
thead th { color: var(--quiet); font-size: 12px; }
td.n { text-align: end; }
.blocks-text { font-family: ui-monospace, SFMono-Regular, Menlo, monospace; font-size: 12px; min-width: 180px; }

@container (max-width: 1020px) {
  .columns, .columns[data-panes="queues grid"], .columns[data-panes="grid step"] { grid-template-columns: minmax(200px, 1fr) minmax(0, 2fr); }
  .columns[data-panes="queues grid step"] > .step, .columns:has(> .blocks:not([hidden]))[data-panes="queues grid step"] > .step { grid-column: 1 / -1; border-inline-start: 0; border-top: 1px solid var(--line); contain: none; min-height: 260px; }
}
@container (max-width: 760px) {
  .columns, .columns[data-panes] { grid-template-columns: minmax(0, 1fr); }
  .columns > .blocks { order: -1; border-inline-start: 0; min-height: 0; }
  .columns:has(> .blocks:not([hidden])) > .queues, .columns:has(> .blocks:not([hidden])) > .step { contain: none; overflow: visible; min-height: 0; }
  .columns > .pane + .pane { border-inline-start: 0; border-top: 1px solid var(--line); }
  .columns > .blocks { border-top: 0 !important; }
  .lane-legend { flex-basis: 100%; order: 3; }
  .pane { padding-inline: 12px; }
  .lanes-body { grid-template-columns: 44px minmax(0, 1fr); }
  .lane-label bdi { display: none; }
  .find { width: 100%; }
  .hops li { grid-template-columns: 76px minmax(0, 1fr) auto; }
  .hops .process { grid-column: 1 / -1; order: -1; }
  .hops .process:empty { display: none; }
  .phases li, .life li { grid-template-columns: 104px minmax(0, 1fr) auto; }
}
`;
