// A player inside a text: every part has a height of its own, so that neither loading nor a step
// moves the page. The page reserves the same heights (site.css); a test compares the two.

export const EMBEDDED = `
:host([embedded]) { display: grid; grid-template-columns: minmax(0, 1fr); }
:host([embedded]) .player { display: flex; flex-direction: column; }
:host([embedded]) .player > .message { margin: auto; }
:host([embedded]) .top { min-height: 44px; height: 44px; font-size: 12.5px; }
:host([embedded]) .about { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; min-width: 0; }
:host([embedded]) .sentence { height: 104px; min-height: 0; padding: 12px 14px 0; font-size: 14px; line-height: 28px; overflow-y: auto; }
:host([embedded]) .clause.first { font-size: 17px; }
:host([embedded]) .clause.first .chip { min-width: 22px; height: 22px; font-size: 13px; }
:host([embedded]) .transport { padding: 0 14px 12px; }
:host([embedded]) .kind-row.none { display: none; }
:host([embedded]) .pane { padding: 12px 14px; }
:host([embedded]) .slots { height: 98px; max-height: none; align-content: flex-start; }
:host([embedded]) .grid-place { margin-top: 14px; }
:host([embedded]) .next-free { font-size: 13px; }
:host([embedded]) .table-title { flex-wrap: nowrap; height: 32px; overflow: hidden; }
:host([embedded]) .grid-title { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
:host([embedded]) .legend { min-height: 59px; align-content: flex-start; }
:host([embedded]) .cells:is([data-size=big], [data-size=middle]) .cell { height: 54px; }
:host([embedded]) .columns:not(:has(> .blocks:not([hidden]))) { min-height: 0; }
:host([embedded]) .columns:not(:has(> .blocks:not([hidden]))) > .pane { contain: layout style; height: 300px; overflow-y: auto; }
:host([embedded]) .lanes-body { max-height: 320px; }
:host([embedded]) .find { display: none; }
:host([embedded]) .workers { display: flex; flex-direction: column; height: 360px; }
:host([embedded]) .workers-head { flex-wrap: nowrap; min-height: 34px; }
:host([embedded]) .workers-head h2 { white-space: nowrap; }
:host([embedded]) .workers-told { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
:host([embedded]) .ranks { flex: 1; height: auto; min-height: 0; }
:host([embedded]) .queue.empty .rows { margin-top: 0; }

@container (max-width: 1020px) {
  :host([embedded]) .columns, :host([embedded]) .columns[data-panes] { grid-template-columns: minmax(0, 1fr); }
  :host([embedded]) .columns > .blocks { grid-column: 1 / -1; order: -1; min-height: 0; border-inline-start: 0; }
  :host([embedded]) .columns > .queues, :host([embedded]) .columns > .step,
  :host([embedded]) .columns:has(> .blocks:not([hidden])) > .queues, :host([embedded]) .columns:has(> .blocks:not([hidden])) > .step {
    grid-column: auto; contain: layout style; height: 300px; min-height: 0; overflow-y: auto; border-top: 0; border-inline-start: 0;
  }
  :host([embedded]) .columns > .queues:not([hidden]) + .blocks + .step { border-inline-start: 1px solid var(--line); }
  :host([embedded]) .columns > .queues[hidden] + .blocks + .step { grid-column: 1 / -1; height: 260px; }
  :host([embedded]) .columns:not(:has(> .step:not([hidden]))) > .queues { grid-column: 1 / -1; height: 200px; }
  :host([embedded]) .columns:has(> .blocks:not([hidden])) > :is(.queues, .step) { border-top: 1px solid var(--line); }
  :host([embedded]) .columns:not(:has(> .step:not([hidden]))) > .queues { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 0 24px; align-content: start; }
  :host([embedded]) .columns:not(:has(> .step:not([hidden]))) > .queues > .queue { margin-top: 0; margin-bottom: 12px; }
  :host([embedded]) .queues > .bar-legend { display: none; }
  :host([embedded]) .cells:is([data-size=big], [data-size=middle]) { grid-template-columns: repeat(10, minmax(0, 1fr)); gap: 8px; }
}
@container (min-width: 480px) and (max-width: 1020px) {
  :host([embedded]) .columns[data-panes~=queues][data-panes~=step] { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@container (min-width: 600px) and (max-width: 1020px) {
  :host([embedded]) .transport { grid-template-columns: auto minmax(160px, 1fr); }
  :host([embedded]) .track { order: 0; }
  :host([embedded]) .kinds { display: flex; flex-wrap: nowrap; gap: 8px; }
  :host([embedded]) .kind-row { flex: 0 1 auto; }
  :host([embedded]) .kind-row button:not(.kind) { min-width: 26px; padding: 0; }
  :host([embedded]) .kind-row .kind { font-size: 12px; }
}
@container (max-width: 599.98px) {
  :host([embedded]) .speed, :host([embedded]) .legend { display: none; }
  :host([embedded]) .buttons { flex-wrap: nowrap; }
  :host([embedded]) .sentence { height: 140px; line-height: 26px; }
  :host([embedded]) .workers { height: 440px; }
  :host([embedded]) .workers-told { display: none; }
  :host([embedded]) .workers-head { justify-content: space-between; }
  :host([embedded]) .clause.first { font-size: 16px; }
  :host([embedded]) .where, :host([embedded]) .grid-title { font-size: 12.5px; }
  :host([embedded]) .kind-row button:not(.kind) { min-width: 30px; padding: 0; }
  :host([embedded]) .columns > .queues:not([hidden]) + .blocks + .step { border-inline-start: 0; border-top: 1px solid var(--line); }
  :host([embedded]) .cells:is([data-size=big], [data-size=middle]) { grid-template-columns: repeat(7, minmax(0, 1fr)); gap: 6px; }
  :host([embedded]) .cells:is([data-size=big], [data-size=middle]) .cell { height: 46px; }
  :host([embedded]) .cells:is([data-size=big], [data-size=middle]) .label { font-size: 13px; }
}
`;
