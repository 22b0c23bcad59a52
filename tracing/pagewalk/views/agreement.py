"""The marks of a step and what the calls of that step imply -> where the two methods differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pagewalk.trace.events import ExitSite, ExitTaken
    from pagewalk.views.inference import Kinds, StepInference

# A running request that is refused blocks passes two marks: why no other was preempted for it,
# then `no_blocks`. The inference answers with the first, which says more.
COMPANIONS: dict[str, frozenset[str]] = {
    "no_blocks": frozenset({"self_preempted", "victim_not_freeable", "pending_block_frees"}),
}
# What the inference can conclude and no mark tells: a queue that a pause keeps shut looks empty.
UNMARKED = frozenset({"paused", "behind_head", "preempted"})
_PASSES = ("running", "waiting")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One exit on which the two methods differ; `marked` is empty where a mark is missing."""

    loop: str
    request: int | None
    marked: str
    inferred: Kinds

    def __str__(self) -> str:
        who = "the pass" if self.request is None else f"request {self.request}"
        inferred = ", ".join(sorted(self.inferred)) or "nothing"
        return f"{who} ({self.loop}): marked {self.marked or 'nothing'}, inferred {inferred}"


def disagreements(
    inferred: StepInference, exits: Sequence[tuple[ExitSite, ExitTaken]]
) -> list[Disagreement]:
    """Compare both ways: each mark must be among the inferred kinds, each verdict have a mark.

    `exits` are the `ExitTaken` of the step's schedule(), each with the site it points to. Those
    of `allocate_slots` are left out: it is called again after a preemption, and `SlotsRefused`
    already stands for them.
    """
    taken = [(site, exit_) for site, exit_ in exits if site.loop in _PASSES]
    wrong = [one for site, exit_ in taken if (one := _unexpected(inferred, site, exit_))]
    return wrong + list(_unmarked(inferred, taken))


def _unexpected(inferred: StepInference, site: ExitSite, exit_: ExitTaken) -> Disagreement | None:
    kinds = _end(inferred, site.loop)
    request = exit_.request
    if request is not None:
        verdict = inferred.of(request)
        kinds = verdict.kinds if verdict is not None else frozenset()
    if _agrees(site.kind, kinds):
        return None
    return Disagreement(site.loop, request, site.kind, kinds)


def _unmarked(
    inferred: StepInference, taken: Sequence[tuple[ExitSite, ExitTaken]]
) -> Iterable[Disagreement]:
    """Verdicts that no mark bears out, neither one of the request nor one of its pass."""
    of_request = {(site.loop, exit_.request, site.kind) for site, exit_ in taken}
    for verdict in inferred.verdicts:
        if verdict.kinds & UNMARKED:
            continue
        if not any(
            (verdict.loop, request, kind) in of_request
            for request in (verdict.request, None)
            for kind in verdict.kinds
        ):
            yield Disagreement(verdict.loop, verdict.request, "", verdict.kinds)


def _end(inferred: StepInference, loop: str) -> Kinds:
    return inferred.running_end if loop == "running" else inferred.waiting_end


def _agrees(marked: str, kinds: Kinds) -> bool:
    return marked in kinds or bool(COMPANIONS.get(marked, frozenset()) & kinds)


__all__ = ["COMPANIONS", "UNMARKED", "Disagreement", "disagreements"]
