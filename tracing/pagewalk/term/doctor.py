"""Environment, findings and probes -> what works here, what does not, and what to do."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from pagewalk.environment import Environment, Finding, doubt
from pagewalk.source.releases import ReleaseReport, RowReport
from pagewalk.term.console import line
from pagewalk.term.layout import paragraph
from pagewalk.term.safe import escape
from pagewalk.term.words import count

_WIDTH = 12


def show(
    console: Console,
    environment: Environment,
    findings: tuple[Finding, ...],
    report: ReleaseReport | None,
    against: bool,
) -> None:
    """All of it, the outcome last."""
    if not against:
        _environment(console, environment)
        line(console, "")
    if report is not None:
        _probes(console, report, against)
    for finding in findings:
        line(console, "")
        mark = ("stops ", "hurt") if finding.stops else ("note ", "unsure")
        paragraph(console, Text.assemble(mark, escape(finding.message)))
    line(console, "")
    paragraph(console, Text.assemble(*_outcome(findings, report, against)))


def _environment(console: Console, one: Environment) -> None:
    _row(console, "pagewalk", one.pagewalk)
    _row(console, "Python", f"{one.python} on {one.platform}, {one.executable}")
    name = one.distribution or "not from an installed distribution"
    vllm = f"{one.vllm or '?'} ({name}), {one.path}" if one.path else "not installed"
    _row(console, "vLLM", vllm)
    device = "a GPU device is there" if one.gpu else "no GPU device is there"
    _row(console, "torch", f"{one.torch or 'not installed'}; {device}")
    allowed = one.plugins_allowed
    limit = "no limit by VLLM_PLUGINS" if allowed is None else f"VLLM_PLUGINS={allowed}"
    seen = "visible to vLLM" if one.plugin else "not visible to vLLM"
    _row(console, "plugin", f"{seen}; {limit}")
    _row(
        console, "tracing", f"on, into {one.tracing}" if one.tracing else "off (PAGEWALK is unset)"
    )
    if one.rust_binary:
        _row(console, "Rust", "the front end vllm-rs comes with this vLLM")


def _row(console: Console, title: str, text: str) -> None:
    line(console, (title.ljust(_WIDTH), "quiet"), escape(text))


def _probes(console: Console, report: ReleaseReport, against: bool) -> None:
    where = f" in {escape(report.where)}" if against else ""
    line(console, (f"probes on vLLM {escape(report.release) or '?'}{where}", "head"))
    for component in dict.fromkeys(row.component for row in report.rows):
        rows = [row for row in report.rows if row.component == component]
        fitting = sum(row.fits for row in rows)
        style = "good" if fitting == len(rows) else "hurt"
        line(
            console,
            f"  {component.ljust(_WIDTH - 2)}",
            (f"{fitting} of {len(rows)} fit", style),
            ("", "quiet"),
        )
        for row in rows:
            if row.state != "present":
                _misfit(console, row)
    named = report.num_exits - len(report.unknown_exits)
    style = "good" if not report.unknown_exits else "hurt"
    line(
        console,
        f"  {'exits'.ljust(_WIDTH - 2)}",
        (f"{named} of {report.num_exits} have a name", style),
    )
    for one in report.unknown_exits:
        text = f"{one.function}, line {one.line}: {one.guard}"
        paragraph(console, escape(text), "hurt", indent=4)


def _misfit(console: Console, row: RowReport) -> None:
    if row.fits:
        text, style = f"{row.target} is not in this release, and need not be", "quiet"
    else:
        detail = f": {row.detail}" if row.detail else ""
        text, style = f"{row.target} is {row.state}{detail}", "hurt"
    paragraph(console, escape(text), style, indent=4)


def _outcome(
    findings: tuple[Finding, ...], report: ReleaseReport | None, against: bool
) -> tuple[str | tuple[str, str], ...]:
    stops = sum(one.stops for one in findings)
    if stops:
        return ((f"Tracing will not work here: {count(stops, 'reason')}, see above.", "hurt"),)
    if report is None:
        return (("There is no vLLM to look at.", "hurt"),)
    bad = sum(not row.fits for row in report.rows)
    if report.fits:
        place = "on this release" if against else "here"
        unsure = doubt(report.release)
        if unsure:
            return ((f"Every probe fits, so tracing should work {place}. ", "good"), unsure)
        return ((f"Everything fits: tracing will work {place}.", "good"),)
    parts = [f"{count(bad, 'probe')} will be missing" if bad else ""]
    unknown = len(report.unknown_exits)
    parts.append(f"{count(unknown, 'exit')} will have no name" if unknown else "")
    told = " and ".join(part for part in parts if part)
    return ((f"The engine will run, but {told}; traces say what they cannot know.", "unsure"),)


__all__ = ["show"]
