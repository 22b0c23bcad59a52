"""Situations on a scheduler-only bed that a workload rarely reaches, each made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

if TYPE_CHECKING:
    from collections.abc import Callable


class Scene:
    """A bed with a watch on it, brought into a situation by hand."""

    def __init__(self, **shape: Any) -> None:
        from watched import Watch

        from pagewalk.bed.scheduler import SchedulerBed

        self.bed = SchedulerBed(**shape)
        self.scheduler = self.bed.scheduler
        self.watch = Watch(self.bed)

    def add(self, *sizes: int, **options: Any) -> list[Any]:
        """Requests with prompts of these lengths, no two alike."""
        first = len(self.bed.outputs)
        return [
            self.bed.add(
                f"r{first + number}", range(first + number, first + number + size), **options
            )
            for number, size in enumerate(sizes)
        ]

    def connect(self, matched: tuple[int | None, bool] = (0, False), frees: bool = False) -> None:
        """Give the scheduler a KV connector that answers so."""
        connector = MagicMock()
        connector.supports_divergent_local_hybrid_hits = False
        connector.get_num_new_matched_tokens.return_value = matched
        connector.get_loaded_kv_cache_group_ids.return_value = ()
        connector.has_pending_block_frees.return_value = frees
        self.scheduler.connector = connector
        self.watch.settings["connector"] = "Connector"


def over_input_budget() -> Scene:
    """Draft slots take the room that the token budget still has."""
    scene = Scene(num_spec_tokens=3)
    _draft_slots(scene, 20)
    scene.add(20, 20, 20)
    scene.scheduler.schedule()
    return scene


def over_input_budget_while_running() -> Scene:
    """The same for requests that run already."""
    scene = Scene(num_spec_tokens=3)
    scene.add(8, 8, 8)
    scene.bed.step()
    _draft_slots(scene, 40)
    scene.scheduler.schedule()
    return scene


def _draft_slots(scene: Scene, slots: int) -> None:
    config = scene.scheduler.vllm_config
    config.speculative_config = SimpleNamespace(max_num_new_slots_for_drafting=slots)
    scene.watch.settings["draft_slots"] = slots


def in_the_pipeline() -> Scene:
    """Its next turn has not come."""
    scene = Scene()
    (request,) = scene.add(8)
    scene.bed.step()
    request.next_decode_eligible_step = 1 << 40
    scene.watch.settings["pipeline_parallel_size"] = 2
    scene.scheduler.schedule()
    return scene


def throttled() -> Scene:
    """A step that leaves prefills to other ranks: one that waits, one that has begun."""
    scene = Scene(max_num_batched_tokens=32)
    scene.add(8, 60)
    scene.bed.step()
    scene.add(8)
    scene.watch.settings["data_parallel_size"] = 2
    scene.scheduler.schedule(throttle_prefills=True)
    return scene


def encoder_output_missing() -> Scene:
    """A running request whose encoder output is not there."""
    scene = Scene()
    (request,) = scene.add(8)
    scene.bed.step()
    scene.scheduler.ec_connector = MagicMock()
    scene.scheduler.ec_connector.ensure_cache_available.return_value = False
    scene.watch.settings["ec_connector"] = "Connector"
    request.mm_features = [object()]
    scene.scheduler.schedule()
    return scene


def encoder_output_pending() -> Scene:
    """Waiting requests whose encoder output is on its way, with and without a lookup."""
    scene = Scene()
    _, begun = scene.add(8, 8)
    begun.num_computed_tokens = 4
    scene.scheduler._ec_transfer_pending = lambda request, computed: True
    scene.watch.settings["ec_connector"] = "Connector"
    scene.scheduler.schedule()
    return scene


def frees_pending() -> Scene:
    """The connector will free blocks soon, so nobody is preempted for them."""
    scene = Scene(num_blocks=5, max_num_batched_tokens=128, reserve_full_sequence=False)
    scene.add(16, 16, 16, max_tokens=40)
    scene.bed.step()
    scene.connect(frees=True)
    scene.scheduler.schedule()
    return scene


def blocked() -> Scene:
    """The grammar is not compiled yet; the request behind it has its turn."""
    from vllm.v1.request import RequestStatus

    scene = Scene()
    request, _ = scene.add(8, 8)
    request.status = RequestStatus.WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR
    scene.scheduler.schedule()
    return scene


def stale() -> Scene:
    """Preempted, and its last token is still in flight."""
    from vllm.v1.request import RequestStatus

    scene = Scene(async_scheduling=True)
    (request,) = scene.add(8)
    request.status = RequestStatus.PREEMPTED
    request.num_stale_output_tokens = 1
    scene.scheduler.schedule()
    return scene


def connector_undecided() -> Scene:
    """The connector does not know yet how much it has."""
    scene = Scene()
    scene.connect((None, False))
    scene.add(20)
    scene.scheduler.schedule()
    return scene


def loading() -> Scene:
    """The connector loads a block in the background."""
    scene = Scene()
    scene.connect((16, True))
    scene.add(20)
    scene.scheduler.schedule()
    return scene


def no_room_for_drafts() -> Scene:
    """All but one token hit the cache, and the budget has no room for the padded drafts."""
    scene = Scene(num_spec_tokens=3)
    scene.bed.add("first", range(17), max_tokens=1)
    scene.bed.step()
    scene.bed.add("second", range(17))
    scene.scheduler.max_num_scheduled_tokens = 2
    scene.scheduler.schedule()
    return scene


def lookahead() -> Scene:
    """A drafter needs more known tokens after the chunk than there would be."""
    scene = Scene(max_num_batched_tokens=16)
    scene.add(8)
    scene.bed.step()
    scene.scheduler.num_prefill_lookahead = scene.watch.settings["prefill_lookahead"] = 100
    scene.add(30)
    scene.scheduler.schedule()
    return scene


def paused() -> Scene:
    """Nothing at all is scheduled."""
    from vllm.v1.core.sched.interface import PauseState

    scene = Scene()
    scene.add(8)
    scene.bed.step()
    scene.add(8)
    scene.scheduler.set_pause_state(PauseState.PAUSED_ALL)
    scene.scheduler.schedule()
    return scene


def paused_for_new() -> Scene:
    """Running requests go on, the queue stays shut: to the engine it looks empty."""
    from vllm.v1.core.sched.interface import PauseState

    scene = paused()
    scene.scheduler.set_pause_state(PauseState.PAUSED_NEW)
    scene.scheduler.schedule()
    return scene


def steady() -> Scene:
    """Every request decodes, none waits."""
    scene = Scene()
    scene.add(8, 8, 8)
    scene.bed.step()
    scene.bed.step()
    return scene


SCENES: list[tuple[Callable[[], Scene], list[str], list[str]]] = [
    (over_input_budget, [], ["input_budget"]),
    (over_input_budget_while_running, ["input_budget"], ["input_budget"]),
    (in_the_pipeline, ["pp_not_eligible"], []),
    (throttled, ["dp_throttle"], ["dp_throttle"]),
    (encoder_output_missing, ["ec_transfer"], []),
    (encoder_output_pending, [], ["ec_transfer", "ec_transfer"]),
    (frees_pending, ["pending_block_frees", "no_blocks"], []),
    (blocked, [], ["blocked_status"]),
    (stale, [], ["stale_output"]),
    (connector_undecided, [], ["connector_undecided"]),
    (loading, [], ["async_kv_load"]),
    (no_room_for_drafts, [], ["spec_padding"]),
    (lookahead, [], ["encoder_or_lookahead_zero"]),
    (paused, ["token_budget"], ["paused"]),
    (paused_for_new, [], []),
    (steady, [], []),
]

__all__ = ["SCENES", "Scene", "over_input_budget", "paused_for_new"]
