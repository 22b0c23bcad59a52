"""Five small runs: one step at a time, and with a step scheduled before the last one is known."""

from __future__ import annotations

from typing import Any

from pagewalk.bed.scheduler import SchedulerBed, sample_by_position

ENGINE = None


def answer(name: str, number: int, prompt: int = 20) -> int:
    """The token with which a request's answer goes on: 0 is the first."""
    return sample_by_position(name, prompt + number)


def three_tokens(name: str, **shape: Any) -> None:
    """Engines 0 and 1: a prompt of 20 tokens, and three tokens to come."""
    bed = SchedulerBed(num_blocks=9, **shape)
    bed.add(name, range(20), max_tokens=3)
    bed.run()


def stopping(name: str, **shape: Any) -> None:
    """Engines 2 and 3: the second token is a stop token, which nobody can foresee."""
    bed = SchedulerBed(num_blocks=9, async_scheduling=True, **shape)
    bed.add(name, range(20), max_tokens=9, stop_token_ids=[answer(name, 1)])
    bed.run()


def preempted_in_flight() -> None:
    """Engine 4: 5 usable blocks, and two prompts of 30 tokens that both want a third block."""
    bed = SchedulerBed(async_scheduling=True, num_blocks=6)
    bed.add("keeper", range(30), max_tokens=6)
    bed.add("loser", range(100, 130), max_tokens=6)
    bed.run()


def main() -> None:
    """Build one scheduler after the other."""
    three_tokens("plain")
    three_tokens("early", async_scheduling=True)
    stopping("stopper")
    stopping("fenced", defer_frees=True)  # what a connector that loads KV would turn on
    preempted_in_flight()


if __name__ == "__main__":
    main()
