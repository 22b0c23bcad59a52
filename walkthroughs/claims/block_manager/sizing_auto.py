"""Claims of the page on sizing, about an engine that finds its greatest length itself."""

from pagewalk.views.evidence import Run


def the_length_is_found(run: Run) -> dict[str, object]:
    """Asked to find the greatest length itself, the engine plans with one block less."""
    blocks, size = run.engine.num_blocks, run.engine.setting("block_size")
    longest = run.engine.setting("max_model_len")
    usable = run.updated(run.steps[-1].step).pools[0].free_queue
    assert len(usable) == blocks - 1
    assert longest == len(usable) * size
    return {"blocks": blocks, "size": size, "longest": longest}
