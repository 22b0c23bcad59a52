"""`pagewalk doctor`: the environment and the probes -> whether tracing will work here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pagewalk.capture.sites import mark_exits
from pagewalk.cli_common import BROKEN, OK, AsJson, print_json
from pagewalk.environment import Environment, Finding, judge, look
from pagewalk.probes import PROBES
from pagewalk.probes.exits import EXIT_TARGETS
from pagewalk.source.releases import ReleaseReport, check_release
from pagewalk.term import doctor as doctor_term
from pagewalk.term.console import make_console
from pagewalk.term.wait import waiting


def doctor(
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="WHEEL|DIR",
            help="Judge this vLLM by its source, instead of the installed one. Nothing is run.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Which vLLM is here, is the plugin seen, and which probes fit this release."""
    environment = look()
    findings = judge(environment) if against is None else ()
    report = _report(environment, against)
    if as_json:
        print_json(
            {
                "environment": environment,
                "findings": findings,
                "release": report,
                "fits": report is not None and report.fits,
            }
        )
    else:
        doctor_term.show(make_console(), environment, findings, report, against is not None)
    return OK if _well(findings, report) else BROKEN


def _report(environment: Environment, against: Path | None) -> ReleaseReport | None:
    """The static check, None where there is nothing to check."""
    if against is None and not environment.path:
        return None
    with waiting("reading the source", make_console(sys.stderr)):
        return check_release(against, PROBES, mark_exits, EXIT_TARGETS)


def _well(findings: tuple[Finding, ...], report: ReleaseReport | None) -> bool:
    return report is not None and report.fits and not any(one.stops for one in findings)


__all__ = ["doctor"]
