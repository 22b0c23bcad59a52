"""The four requests of policies.py, first come, first served: the one admitted last pays.

    python walkthroughs/scenarios/scheduler/policies_fcfs.py

They have the same prompts, sizes, times of arrival and priorities. Only the policy differs.
"""

from __future__ import annotations

from policies import crowd

ENGINE = None


def main() -> None:
    """Play it first come, first served."""
    crowd("fcfs")


if __name__ == "__main__":
    main()
