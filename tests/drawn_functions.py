"""Functions that Hypothesis draws, and all that can be told of one from outside when it runs."""

from __future__ import annotations

import ast
import sys
import traceback
from contextlib import nullcontext, suppress
from itertools import chain
from typing import Any

from hypothesis import strategies as st

from pagewalk.capture.recompile import Marker
from pagewalk.capture.sites import PLACEHOLDER, mark_exits

MOST_EVENTS = 200
BINDS = st.sampled_from(
    [
        "request = toss()",
        "num_new_tokens = toss()",
        "token_budget += 1",
        "num_new_tokens += 1",
        "request, (*num_new_tokens, token_budget) = toss(), (1, 2, 3)",
        "(request := toss())",
        "with nothing() as num_new_tokens: token_budget = 1",
    ]
)
MAY_UNBIND = st.sampled_from(
    ["del num_new_tokens", "del request", "for request in (): pass", "def request(): pass"]
)
LEAVES = st.sampled_from(
    ["if toss(): break", "if toss(): continue", "if toss(): return None", "break", "continue"]
)
SIMPLE = BINDS | MAY_UNBIND | LEAVES | st.just("risky()")
HEADS = st.sampled_from(
    [
        "if toss():",
        "if toss() and token_budget > 0:",
        "if token_budget <= 0 or toss():",
        "while toss():",
        "while self.running and toss():",
        "while self.running and token_budget > 0 and toss():",
        "while self.peek_request() and toss():",
        "while True:",
        "for request in range(toss()):",
        "with swallowing():",
        "try:",
    ]
)


def indented(lines: list[str]) -> list[str]:
    """The lines, one level deeper."""
    return [f"    {line}" for line in lines]


def in_a_pass(body: list[str]) -> str:
    """The text of a function that has the body in a loop whose exits are marked."""
    loop = ["while self.running and toss():", *indented(body)]
    return "\n".join(["def schedule(self, token_budget=1):", *indented(loop)])


@st.composite
def compound(draw: st.DrawFn, blocks: st.SearchStrategy[list[str]]) -> list[str]:
    """A compound statement around drawn blocks."""
    head = draw(HEADS)
    first = ["self.peek_request()"] if "peek_request" in head else []
    lines = [head, *indented(first + draw(blocks))]
    if head == "try:":
        lines += ["except ValueError as request:", *indented(draw(blocks))]
        lines += ["finally:", "    log()"]
    elif not head.startswith("with") and draw(st.booleans()):
        lines += ["else:", *indented(draw(blocks))]
    return lines


def bodies(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    """Several statements, simple and compound."""
    part = compound(inner) | st.lists(SIMPLE, min_size=1, max_size=2)
    return st.lists(part, min_size=1, max_size=4).map(lambda parts: [*chain.from_iterable(parts)])


BLOCKS = st.recursive(st.lists(SIMPLE, min_size=1, max_size=3), bodies, max_leaves=12)


class Told(list[Any]):
    """What a drawn function does that can be told from outside; ends it after a while."""

    def __init__(self, coins: list[bool]) -> None:
        super().__init__()
        self.coins = list(coins)
        self.running = True

    def tell(self, *what: Any) -> None:
        """Note something, with the line it happened at."""
        self.append((*what, sys._getframe(2).f_lineno))
        if len(self) > MOST_EVENTS:
            raise EOFError

    def toss(self) -> int:
        """A coin out of those drawn."""
        self.tell("toss")
        if not self.coins:
            raise EOFError
        return int(self.coins.pop())

    def risky(self) -> None:
        """A call that may fail."""
        self.tell("risky")
        if self.coins and self.coins.pop():
            raise ValueError

    def log(self) -> None:
        """A call without a result."""
        self.tell("log")

    def peek_request(self) -> bool:
        """What makes a loop the waiting pass."""
        self.tell("peek")
        return True

    def mark(self, site: int, request: object, values: tuple[object, ...]) -> None:
        """Take what a mark hands over."""
        assert isinstance(values, tuple)


def behaviour(text: str, coins: list[bool], *, marked: bool) -> list[Any]:
    """Run a drawn function and tell what it did."""
    told = Told(coins)
    tree = ast.parse(text)
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    _bound(definition)
    if marked:
        mark_exits(definition, "schedule")
    names: dict[str, Any] = {
        "toss": told.toss,
        "log": told.log,
        "risky": told.risky,
        "nothing": nullcontext,
        "swallowing": lambda: suppress(ValueError),
    }
    exec(compile(ast.fix_missing_locations(tree), "drawn", "exec"), names)
    function = names["schedule"]
    marker = Marker(told.mark)
    function.__code__ = function.__code__.replace(
        co_consts=tuple(
            marker if one == PLACEHOLDER else one for one in function.__code__.co_consts
        )
    )
    try:
        told.append(repr(function(told)))
    except Exception as error:
        lines = [one.lineno for one in traceback.extract_tb(error.__traceback__)]
        told.append((type(error).__name__, lines[1]))
    return list(told)


def _bound(definition: ast.FunctionDef) -> None:
    """Let each endless loop log, so that it ends."""
    for node in ast.walk(definition):
        if isinstance(node, ast.While):
            log = ast.parse("log()").body[0]
            ast.increment_lineno(log, node.lineno - 1)
            node.body.insert(0, log)


__all__ = ["BLOCKS", "behaviour", "in_a_pass"]
