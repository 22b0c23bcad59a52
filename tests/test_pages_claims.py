"""Every claim of the pages: on its recorded trace, on a fresh one, and not on an idle engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from committed_pages import (
    DOCS,
    ROOT,
    SCENARIOS,
    SLOW,
    chapter_pages,
    newborn,
    perform,
    predicates,
    stems,
    why_not,
)
from engines.child import Child

from pagewalk.errors import PagewalkError
from pagewalk.pages.claims import judge
from pagewalk.pages.record import Scenario, orphans
from pagewalk.pages.record_judge import judge_new, places_in
from pagewalk.pages.runs import run_of
from pagewalk.pages.stem import trace_path
from pagewalk.trace.read import open_trace
from pagewalk.views.verdict import check

PREDICATES = [pytest.param(*one, id="::".join(one)) for one in predicates()]
EVERY_SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.stem)
AFRESH = [
    pytest.param(one, marks=pytest.mark.slow) if one.stem in SLOW else one for one in SCENARIOS
]


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


class TestRecorded:
    """What is committed, without an engine."""

    @pytest.mark.parametrize(("stem", "name"), PREDICATES)
    def test_a_claim_holds(self, stem: str, name: str) -> None:
        assert judge(DOCS, stem, name), "it supplies facts"

    @pytest.fixture(scope="class")
    def idle(self, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
        """The trace of a stem's engines had they done nothing."""
        folder = tmp_path_factory.mktemp("idle")

        def make(stem: str) -> Path:
            place = folder / stem
            return place if place.exists() else newborn(run_of(trace_path(DOCS, stem)).trace, place)

        return make

    @pytest.mark.parametrize(("stem", "name"), PREDICATES)
    def test_a_claim_can_fail(self, stem: str, name: str, idle: Callable[[str], Path]) -> None:
        """It says something about a run: engines of the same settings that did nothing fail it."""
        assert why_not(lambda: judge(DOCS, stem, name, idle(stem))) == "claim-fails"

    @EVERY_SCENARIO
    def test_a_trace_is_sound(self, scenario: Scenario) -> None:
        """Laws and digests hold, nothing is lost, and nobody's machine is named in it."""
        verdict = check(open_trace(scenario.trace))
        assert (verdict.outcome, verdict.losses, verdict.problems) == ("holds", (), ())
        assert verdict.snapshots
        assert places_in(scenario.trace) == ()

    def test_nothing_stands_alone(self) -> None:
        """Scenario, trace and claims come together."""
        known = {one.stem for one in SCENARIOS}
        assert {one.stem for one in SCENARIOS if not one.trace.is_dir()} == set()
        assert known - set(stems("claims")) == set()
        assert set(stems("claims")) - known == set()
        assert orphans(DOCS, SCENARIOS) == ()

    def test_a_further_trace_belongs_to_a_page(self) -> None:
        """`scheduler/waiting_lora` is the page's stem `scheduler/waiting` and more."""
        pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in chapter_pages(True)}
        lost = [
            one.stem
            for one in SCENARIOS
            if "/" in one.stem and not any(f"{one.stem}_".startswith(f"{page}_") for page in pages)
        ]
        assert lost == []


@pytest.fixture(scope="session")
def fresh(
    warm: None,
    fork: Callable[..., Child],
    models: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Scenario], Path]]:
    """A scenario -> a trace recorded just now; while one is judged the next one is running."""
    folder = tmp_path_factory.mktemp("fresh")
    running: dict[str, Child] = {}

    def begin(scenario: Scenario) -> None:
        if scenario.stem in running:
            return
        if scenario.engine and scenario.wants_model:
            models(scenario.engine)
        place = folder / scenario.stem
        name = scenario.stem.replace("/", "-")
        work: Callable[[], Any] = lambda: perform(scenario, place, models)  # noqa: E731
        running[scenario.stem] = fork(f"fresh-{name}", work)

    def record(scenario: Scenario) -> Path:
        at = SCENARIOS.index(scenario)
        for one in SCENARIOS[at : at + 2]:
            begin(one)
        ended.add(scenario.stem)
        running[scenario.stem].result()
        return folder / scenario.stem

    ended: set[str] = set()
    yield record
    for stem in running.keys() - ended:
        running[stem].result()


@pytest.mark.engine
class TestFresh:
    """The same scenarios on the engine that is installed here."""

    @pytest.mark.parametrize("scenario", AFRESH, ids=lambda one: one.stem)
    def test_every_claim_holds(self, scenario: Scenario, fresh: Callable[[Scenario], Path]) -> None:
        judged = judge_new(scenario, fresh(scenario))
        assert judged.claims
        # A model may sample other tokens on another processor; a scheduler alone does not.
        if scenario.engine is None:
            assert (judged.told, judged.facts) == ("same story", ())


@pytest.mark.engine
def test_no_claim_holds_of_an_engine_that_did_nothing(
    warm: None, fork: Callable[..., Child], tmp_path: Path
) -> None:
    """A scheduler of the bed, built and never fed."""

    def build() -> None:
        from pagewalk.bed.scheduler import SchedulerBed
        from pagewalk.capture import tracing

        with tracing(tmp_path / "idle", digest="hash", strict=True):
            SchedulerBed().step()

    fork("idle", build).result()
    outcomes = {
        one: why_not(lambda one=one: judge(DOCS, *one, tmp_path / "idle")) for one in predicates()
    }
    assert {one: slug for one, slug in outcomes.items() if slug != "claim-fails"} == {}


def test_an_idle_engine_is_told_in_one_sentence(tmp_path: Path) -> None:
    scenario = SCENARIOS[0]
    idle = newborn(open_trace(scenario.trace), tmp_path / "idle")
    with pytest.raises(PagewalkError, match=r"ran no engine step[^.]*\.$"):
        judge_new(scenario, idle)
