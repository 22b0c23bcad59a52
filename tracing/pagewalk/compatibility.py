"""Releases at hand -> the page that says which probes fit which.

    python -m pagewalk.compatibility WHEEL|DIR ... > walkthroughs/reference/compatibility.md

By their source alone: nothing is imported or run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pagewalk.capture.sites import mark_exits
from pagewalk.environment import TRACED
from pagewalk.errors import PagewalkError
from pagewalk.probes import PROBES
from pagewalk.probes.exits import EXIT_TARGETS
from pagewalk.source.releases import ReleaseReport, check_release

_HEAD = """\
<!-- Written by `make compatibility`. Do not edit. -->
# Which releases fit

A probe needs its target, by name, and sometimes a parameter of it. Here every row of
[the probes](probes.md) is held against the source of each release. A component's probes are placed
all together or not at all, but for those marked *optional*. `pagewalk doctor` says the same of the
release you have.

"""


def page(reports: Sequence[ReleaseReport]) -> str:
    """The whole page, Markdown: a column for each release, oldest first."""
    reports = sorted(reports, key=lambda one: _numbers(one.release))
    releases = [one.release for one in reports]
    rule = "| --- |" + " ---: |" * len(releases) + "\n"
    parts = [_HEAD, f"| component | {' | '.join(releases)} |\n{rule}"]
    for component in dict.fromkeys(row.component for row in PROBES):
        cells = [_component(one, component) for one in reports]
        parts.append(f"| {component} | {' | '.join(cells)} |\n")
    named = [f"{one.num_exits - len(one.unknown_exits)} of {one.num_exits}" for one in reports]
    parts.append(f"| exits with a name | {' | '.join(named)} |\n")
    live = ["yes" if _is_traced(one.release) else "no" for one in reports]
    parts.append(f"| recorded live | {' | '.join(live)} |\n\n")
    parts.append(_HOW)
    parts.append(_exceptions(reports))
    return "".join(parts).rstrip() + "\n"


_HOW = """\
*Recorded live* means that these probes have recorded the demo on a live engine of that release:
replay gave the engine's very state, and its worker ran what its scheduler meant. The other columns
are what the source promises.

"""


def _component(report: ReleaseReport, component: str) -> str:
    rows = [row for row in report.rows if row.component == component]
    return f"{sum(row.fits for row in rows)} of {len(rows)}"


def _exceptions(reports: Sequence[ReleaseReport]) -> str:
    """The targets that are not present in each of these releases, and why."""
    rows: dict[str, dict[str, list[str]]] = {}
    for report in reports:
        for row in report.rows:
            if row.state != "present":
                optional = " (optional)" if row.optional else ""
                told = f"{row.state}: {row.detail}{optional}"
                found = rows.setdefault(row.target, {}).setdefault(told, [])
                if report.release not in found:
                    found.append(report.release)
    if not rows:
        return ""
    parts = ["## What is missing where\n\n| target | release | what |\n| --- | --- | --- |\n"]
    for target, kinds in rows.items():
        for told, releases in kinds.items():
            name = target.removeprefix("vllm.v1.")
            parts.append(f"| `{name}` | {', '.join(releases)} | {told} |\n")
    return "".join(parts)


def _is_traced(release: str) -> bool:
    first, last = TRACED
    return first <= _numbers(release)[:2] <= last


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("+")[0].split(".") if part.isdigit())


def main(paths: Sequence[str]) -> int:
    """Print the page for these releases and the installed one."""
    try:
        reports = [check_release(path, PROBES, mark_exits, EXIT_TARGETS) for path in paths]
        reports.append(check_release(None, PROBES, mark_exits, EXIT_TARGETS))
    except PagewalkError as error:
        print(error, file=sys.stderr)
        return 2
    print(page(reports), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["main", "page"]
