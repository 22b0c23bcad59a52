"""Drafts that are rejected are taken back, and tokens behind the end are thrown away."""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed, sample_by_position

ENGINE = None
PROMPT = range(10)


def main() -> None:
    """Three drafts a step; how many of them are accepted depends on request and position."""
    bed = SchedulerBed(num_blocks=9, num_spec_tokens=3)
    bed.add("guess", PROMPT, max_tokens=12)
    bed.run()
    bed.add("trim", PROMPT, max_tokens=12, stop_token_ids=[sample_by_position("trim", 12)])
    bed.run()


if __name__ == "__main__":
    main()
