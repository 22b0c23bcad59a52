"""A toy in the manner of a scheduler: functions with every way out that marks know of.

Tests import a copy of this file, so that they can change the source under a running function.
"""

from __future__ import annotations

import functools
from contextlib import nullcontext


class Request:
    """What the toy schedules."""

    def __init__(self, name, tokens=1, blocks=1):
        self.name, self.tokens, self.blocks = name, tokens, blocks
        self.request_id = name


class Base:
    """Has what the scheduler asks `super()` for."""

    def limit(self):
        """How many requests may be scheduled."""
        return 3


class Scheduler(Base):
    """Has a private name, a call of `super()`, defaults and annotations."""

    def __init__(self, running, waiting, budget):
        self.running, self.waiting, self.budget = running, waiting, budget
        self.__hidden = 0

    def schedule(self, stop: int = 9, *, skip: str = "skip") -> list[str]:
        """Schedule."""
        scheduled: list[str] = []
        token_budget = self.budget
        position = 0
        while position < len(self.running) and token_budget > 0:
            request = self.running[position]
            position += 1
            if request.name == skip:
                continue
            num_new_tokens = request.tokens
            with nullcontext():
                while True:
                    new_blocks = request.blocks
                    if new_blocks is not None:
                        break
                    if self.__hidden == 0:
                        break
            if new_blocks is None:
                break
            token_budget -= num_new_tokens
            scheduled.append(request.name)
        while token_budget > 0:
            if not self.waiting or len(scheduled) >= super().limit():
                break
            request = self.peek_request()
            if request.name == "boom":
                raise ValueError(request.name)
            if len(scheduled) >= stop:
                break
            self.waiting.pop(0)
            token_budget -= request.tokens
            scheduled.append(request.name)
        return scheduled

    def peek_request(self):
        """The head of the queue."""
        return self.waiting[0]

    def gated(self):
        """Has a pass behind a gate, and a way out that mostly says nothing."""
        token_budget, input_budget, draft_slots = self.budget, self.budget, 2
        preempted_reqs = self.running
        request_queue = self.waiting
        if not preempted_reqs and self.limit() == 3:
            while token_budget > 0:
                if not request_queue or input_budget <= draft_slots:
                    break
                request = self.peek_request()
                token_budget -= 1
                input_budget -= 1
                for part in request.name:
                    if part == "x":
                        break
                while part != "z":
                    break
        return token_budget

    def allocate_slots(self, request, num_new_tokens):
        """Refuses what needs more than eight blocks."""
        if num_new_tokens == 0:
            raise ValueError
        required_blocks = num_new_tokens * 2
        if required_blocks > 8:
            return None
        return [required_blocks]

    def straight(self):
        """Has no exit."""
        return 1

    @functools.lru_cache  # noqa: B019
    def decorated(self):
        """Has a decorator."""
        while self.running:
            break

    async def later(self):
        """Is a coroutine function."""
        while self.running:
            break

    lambda_ = lambda self: None  # noqa: E731


def enclosed(extra):
    """A function with a free variable."""

    def schedule(self):
        token_budget = extra
        while self.running and token_budget > 0:
            token_budget -= 1
            if token_budget == 1:
                break
        return token_budget

    return schedule


def wrapped(function):
    """Something that has been wrapped already."""

    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    return inner
