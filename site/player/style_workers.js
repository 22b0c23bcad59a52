// What the workers ran.

export const WORKERS = `
.workers { border-top: 1px solid var(--line); }
.workers-head { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 18px; margin-bottom: 8px; }
.workers-told { color: var(--quiet); font-size: 13px; flex: 1; min-width: 180px; }
.differing .kind { display: flex; align-items: center; gap: 5px; padding: 0 4px; font-size: 13px; }
.sign-differs { color: var(--red); font-weight: 700; }
.verdicts { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0 12px; align-items: start; margin-bottom: 10px; }
.strip-labels { display: flex; flex-direction: column; font-size: 12px; color: var(--quiet); }
.strip-labels span { height: 16px; line-height: 16px; white-space: nowrap; }
.strip-plot { position: relative; cursor: pointer; touch-action: pan-y; min-height: 16px; overflow: clip; }
.strip-canvas { display: block; width: 100%; }
.strip-legend { grid-column: 2; display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; color: var(--quiet); margin-top: 4px; }
.strip-legend li { display: flex; align-items: center; gap: 5px; }
.strip-key { display: inline-block; width: 14px; height: 3px; background: var(--strong); }
.strip-differs { width: 4px; height: 14px; background: var(--red); }
.strip-part { height: 7px; background: var(--quiet); }
.ranks { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 12px 28px; align-content: start;
  height: calc(min(max(var(--most, 4), 4), 10) * 38px + 96px); overflow-y: auto; }
.rank { min-width: 0; max-width: 800px; container-type: inline-size; }
.rank h3 { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; min-height: 30px; font-weight: 400; border-bottom: 1px solid var(--line); }
.rank h3 b { color: var(--ink); }
.mark { margin-inline-start: auto; padding: 1px 9px; border: 1px solid var(--line); border-radius: 10px; color: var(--ink); white-space: nowrap; }
.mark-differs { border-color: var(--red); color: var(--red); background: var(--red-soft); font-weight: 600; }
.mark-part, .mark-none { border-style: dashed; color: var(--quiet); }
.rank .said { margin: 6px 0; padding: 6px 10px; border-inline-start: 3px solid var(--red); background: var(--red-soft); border-radius: 0 6px 6px 0; }
.rank p:empty { display: none; }
.rank .note, .rank .gone { color: var(--quiet); font-size: 13px; padding-top: 4px; }
.rank .gone .chip { vertical-align: middle; }
.rank .more { padding: 6px 0; }
.batch li {
  display: grid; grid-template-columns: 54px minmax(64px, 1fr) 106px minmax(172px, 1.7fr) 104px; gap: 2px 8px; align-items: center;
  min-height: 36px; padding: 1px 0; border-bottom: 1px solid var(--line); font-size: 13px;
}
.batch li:hover, .batch li.chosen { background: var(--soft); }
.batch .who { width: 100%; }
.batch .who bdi { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.row-place > span { display: block; line-height: 1.25; color: var(--quiet); white-space: nowrap; }
.row-state:empty { display: none; }
.row-place > .row-number.hurts { color: var(--red); font-weight: 600; }
.row-tokens { line-height: 1.3; }
.row-slots { display: flex; flex-wrap: wrap; gap: 0 14px; line-height: 1.3; overflow-wrap: anywhere; }
.row-change { white-space: nowrap; font-weight: 600; text-align: end; }
.cell.lit { outline: 3px solid var(--ink); outline-offset: 1px; }
@container (max-width: 540px) {
  .batch li { grid-template-columns: 54px minmax(0, 1fr) auto; }
  .row-slots { grid-column: 2 / -1; padding-inline-start: 4px; }
  .row-change { grid-column: 2 / -1; padding-inline-start: 4px; text-align: start; }
  .row-change:empty { display: none; }
}
@container (max-width: 760px) {
  .workers-told { flex-basis: 100%; order: 3; }
  .ranks { height: calc(min(max(var(--most, 4), 4), 7) * 64px + 96px); }
}
`;
