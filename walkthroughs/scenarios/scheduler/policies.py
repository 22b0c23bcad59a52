"""Four requests under the priority policy: the least urgent one pays, the most urgent one waits.

    python walkthroughs/scenarios/scheduler/policies.py

The scheduler alone, with nine blocks of 16 tokens. A smaller value is more urgent: `alert` 0,
`chat` 1, `report` 3, `bulk` 5. The same four under the other policy: policies_fcfs.py.
"""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None
PRIORITY = {"alert": 0, "chat": 1, "report": 3, "bulk": 5}


def crowd(policy: str) -> None:
    """Three requests fill the blocks, `alert` arrives, and then the first of the three grows."""
    bed = SchedulerBed(policy=policy, num_blocks=10, max_num_batched_tokens=96)
    for first, name in enumerate(("report", "bulk", "chat")):
        # Prompts begin at different tokens, so that none has a prefix of another.
        prompt = range(50 * first, 50 * first + 44)
        bed.add(name, prompt, max_tokens=10, priority=PRIORITY[name])
        bed.step()
    bed.add("alert", range(200, 210), max_tokens=4, priority=PRIORITY["alert"])
    bed.run(60)


def main() -> None:
    """Play it by priority."""
    crowd("priority")


if __name__ == "__main__":
    main()
