"""The table of exits knows every guard, and the real scheduler's marks say what happened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from releases_at_hand import exit_functions, release_params
from scenes import SCENES, Scene, over_input_budget, paused_for_new

from pagewalk.capture.sites import mark_exits
from pagewalk.probes.exits import QUIET, RULES, SENTENCES, UNKNOWN, classify, sentence

if TYPE_CHECKING:
    from collections.abc import Callable

GUARDS = [
    ("running", "input_budget <= draft_slots", "input_budget"),
    ("running", "token_budget <= 0", "token_budget"),
    ("running", "num_new_tokens == 0", "nothing_to_schedule"),
    ("waiting", "num_new_tokens == 0", "encoder_or_lookahead_zero"),
    ("waiting", "num_running >= self.max_num_active_reqs", "max_num_seqs"),
    ("waiting", "num_running >= self.max_num_running_reqs", "max_num_seqs"),
    ("waiting", "not ready_to_schedule", "blocked_status"),
    ("waiting", "self._pause_state != PauseState.UNPAUSED", "paused"),
    ("waiting", "preempted_reqs", "preempted_this_step"),
    ("waiting", "not request_queue", "queue_empty"),
    ("allocate", "required_blocks > available_blocks", "no_blocks"),
    ("running", "something_new(request)", "unknown"),
    ("allocate", "preempted_reqs", "unknown"),
    ("", "", "unknown"),
]


class TestTable:
    """Guard text to kind."""

    @pytest.mark.parametrize(("loop", "guard", "kind"), GUARDS)
    def test_guards(self, loop: str, guard: str, kind: str) -> None:
        """A guard is of its kind in its loop, and anything else is unknown."""
        assert classify(guard, loop) == kind

    def test_the_guard_around_decides(self) -> None:
        """The same text means another thing inside another condition."""
        assert classify(
            "num_new_tokens == 0", "waiting", ["self.need_mamba_block_aligned_split"]
        ) == ("mamba_align")
        assert classify("required_blocks > free", "allocate", ["full_sequence_must_fit"]) == (
            "full_sequence_blocks"
        )

    def test_every_kind_has_a_sentence(self) -> None:
        """Readers get a plain sentence for each kind, also for one nobody has heard of."""
        kinds = {rule.kind for rule in RULES} | {UNKNOWN}
        assert kinds - QUIET <= set(SENTENCES)
        assert len(set(SENTENCES.values())) == len(SENTENCES)
        for text in SENTENCES.values():
            assert re.fullmatch(r"[A-Z][^\n]*\.", text)
        assert sentence("never heard of") == SENTENCES[UNKNOWN]

    @pytest.mark.parametrize("path", release_params())
    def test_no_guard_of_a_release_is_unknown(self, path: str | None) -> None:
        """Every exit of every release at hand has a kind, and every pass is recognised."""
        sites = [site for name, tree in exit_functions(path) for site in mark_exits(tree, name)]
        assert [(site.line, site.guard) for site in sites if site.kind == UNKNOWN] == []
        assert {site.loop for site in sites} == {"running", "waiting", "allocate"}
        assert {site.kind for site in sites} & QUIET == set()


@pytest.mark.engine
class TestScenes:
    """The real scheduler, brought by hand to exits that a workload rarely takes."""

    @pytest.mark.parametrize(
        ("scene", "running", "waiting"), SCENES, ids=[one[0].__name__ for one in SCENES]
    )
    def test_marks(
        self, scene: Callable[[], Scene], running: list[str], waiting: list[str]
    ) -> None:
        """The last step takes these exits and no other, and the inference finds the same."""
        step = scene().watch.steps[-1]
        assert step.kinds("running") == running
        assert step.kinds("waiting") == waiting
        assert [str(one) for one in step.disagreements] == []

    def test_a_queue_kept_shut_is_inferred(self) -> None:
        """No mark tells a pause for new requests; the inference does."""
        step = paused_for_new().watch.steps[-1]
        (verdict,) = step.inferred.verdicts
        assert (verdict.loop, verdict.kinds) == ("waiting", {"paused"})

    def test_values(self) -> None:
        """The numbers that were compared."""
        ((site, taken),) = over_input_budget().watch.steps[-1].exits
        values = dict(zip(site.names, taken.values, strict=True))
        assert values["input_budget"] <= values["draft_slots"] == 20
        assert values["token_budget"] > 0
