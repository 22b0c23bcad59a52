"""Why is right: the exit that a mark names is the one the calls imply, on every step."""

from __future__ import annotations

import pytest
from engines.cases import CASES, Case
from engines.run import Runs

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_marks_and_inference_agree(case: Case, runs: Runs) -> None:
    for engine in runs.traced(case)["trace"]["engines"]:
        assert engine["named"] == engine["steps"] > 0
        assert engine["disagreements"] == []


def test_there_was_something_to_agree_on(runs: Runs) -> None:
    """Steps that left somebody without tokens, and exits of different kinds, over the matrix."""
    engines = [one for case in CASES for one in runs.traced(case)["trace"]["engines"]]
    kinds = {kind for one in engines for kind in one["kinds"]}
    assert sum(one["telling"] for one in engines) > 800
    assert {
        "token_budget",
        "max_num_seqs",
        "no_blocks",
        "preempted_this_step",
        "self_preempted",
        "max_loras",
        "blocked_status",
        "chunked_prefill_off",
    } <= kinds
    assert "unknown" not in kinds
