"""Marks change nothing that a function does, and read no name that may be unbound."""

from __future__ import annotations

import ast

import pytest
from drawn_functions import BLOCKS, behaviour, in_a_pass
from hypothesis import given, settings
from hypothesis import strategies as st
from releases_at_hand import exit_functions, release_params
from skeleton import walk_at_random

from pagewalk.capture.bindings import bound_by, unsafe_names
from pagewalk.capture.guards import names_in, negated, split
from pagewalk.capture.sites import PLACEHOLDER, mark_exits

# Ways to a statement on which a name is not bound, though it looks as if it were.
TRAPS = {
    "deleted": ["request = toss()", "del request", "if toss(): break"],
    "deleted on one way": ["request = 1", "if toss(): del request", "if toss(): break"],
    "one branch": ["if toss(): request = 1", "if toss(): break"],
    "loop that did not run": ["while toss(): request = 1", "if toss(): break"],
    "loop without elements": ["for request in range(toss()): log()", "if toss(): break"],
    "last round": ["if toss(): break", "if toss(): continue", "request = 1"],
    "swallowed": ["with swallowing():", "    risky()", "    request = 1", "if toss(): break"],
    "failed before": [
        "try:",
        "    risky()",
        "    request = 1",
        "except ValueError:",
        "    if toss(): break",
        "if toss(): break",
    ],
    "finally": ["try:", "    risky()", "    request = 1", "finally:", "    if toss(): break"],
    "else of a try": [
        "try: risky()",
        "except ValueError: pass",
        "else: request = 1",
        "if toss(): break",
    ],
    "name of an error": [
        "request = 1",
        "try: risky()",
        "except ValueError as request: pass",
        "if toss(): break",
    ],
    "else of a loop": ["while toss(): request = 1", "else:", "    if toss(): break"],
    "case": ["match toss():", "    case 1: request = 1", "if toss(): break"],
    "not yet": ["token_budget += 1", "if toss(): break", "num_new_tokens = 1"],
    "conditional walrus": ["toss() and (request := 1)", "if toss(): break"],
    "annotation": ["request: int", "if toss(): break"],
}


class TestAnyFunction:
    """The marked function beside the plain one, whatever the function is."""

    @settings(max_examples=600)
    @given(body=BLOCKS, coins=st.lists(st.booleans(), min_size=5, max_size=60))
    def test_drawn_functions(self, body: list[str], coins: list[bool]) -> None:
        """The same calls at the same lines, the same result, the same exception."""
        text = in_a_pass(body)
        try:
            compile(text, "drawn", "exec")
        except SyntaxError:  # `break` outside a loop and the like
            return
        assert behaviour(text, coins, marked=True) == behaviour(text, coins, marked=False)

    @pytest.mark.parametrize("trap", TRAPS)
    def test_traps(self, trap: str) -> None:
        """The same for functions made to mislead the analysis."""
        text = in_a_pass(TRAPS[trap])
        for number in range(128):
            coins = [bool(number >> place & 1) for place in range(7)]
            assert behaviour(text, coins, marked=True) == behaviour(text, coins, marked=False)


class TestReleases:
    """Every release whose source is at hand."""

    @pytest.mark.parametrize("path", release_params())
    def test_no_mark_reads_an_unbound_name(self, path: str | None) -> None:
        """Random walks over all ways through the function reach all marks, and none raises."""
        for name, function in exit_functions(path):
            sites = mark_exits(function, name)
            assert walk_at_random(function, walks=4000) == {site.site for site in sites}

    def test_the_walk_would_find_one(self) -> None:
        """The check is not blind: a mark that reads too much is caught."""
        text = f"""
def schedule(self):
    while self.running:
        if self.one():
            num_new_tokens = 1
        if self.other():
            {PLACEHOLDER!r}.mark(0, None, (num_new_tokens,))
            break
"""
        definition = ast.parse(text).body[0]
        assert isinstance(definition, ast.FunctionDef)
        with pytest.raises(UnboundLocalError):
            walk_at_random(definition, walks=200)


def sites_of(text: str) -> list[list[str]]:
    """The names each site of a function reads."""
    definition = ast.parse(text).body[0]
    assert isinstance(definition, ast.FunctionDef)
    return [site.names for site in mark_exits(definition, "schedule")]


class TestBindings:
    """The analysis of bound names, piece by piece."""

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("a = 1", {"a"}),
            ("a, (b, *c) = d", {"a", "b", "c"}),
            ("a: int = 1", {"a"}),
            ("a: int", set()),
            ("a += 1", set()),
            ("a.b = c[0] = 1", set()),
            ("import a", set()),
        ],
    )
    def test_simple_assignments(self, text: str, names: set[str]) -> None:
        """Only these bind for sure."""
        assert bound_by(ast.parse(text).body[0]) == names

    def test_names_that_may_vanish(self) -> None:
        """Names that are deleted, shared or those of a caught exception are never read."""
        text = """
def f():
    global a
    del b
    try: pass
    except E as c: pass
    def inner():
        nonlocal d
"""
        definition = ast.parse(text).body[0]
        assert isinstance(definition, ast.FunctionDef)
        assert unsafe_names(definition) == {"a", "b", "c", "d"}

    def test_a_value_of_the_last_round_is_not_read(self) -> None:
        """What the loop binds anew counts only after it has; what it adds to counts always."""
        text = """
def schedule(self):
    num_running = 0
    token_budget = 9
    while self.running and token_budget > 0:
        if self.first():
            break
        num_running = 1
        token_budget -= 1
        if self.second():
            break
"""
        assert sites_of(text) == [
            ["token_budget"],
            ["token_budget", "num_running"],
            ["token_budget"],
        ]

    def test_both_branches_must_bind(self) -> None:
        """A branch that leaves the loop does not count."""
        text = """
def schedule(self):
    while self.running:
        if self.one():
            num_new_tokens = 1
        elif self.other():
            continue
        else:
            num_new_tokens = input_budget = 2
        if self.last():
            break
"""
        assert sites_of(text) == [[], ["num_new_tokens"]]


class TestGuards:
    """Conditions as a reader would write them."""

    @pytest.mark.parametrize(
        ("text", "opposite"),
        [
            ("token_budget > 0", "token_budget <= 0"),
            ("not preempted_reqs", "preempted_reqs"),
            ("a is None", "a is not None"),
            ("0 < a < b", "not 0 < a < b"),
            ("f()", "not f()"),
        ],
    )
    def test_negated(self, text: str, opposite: str) -> None:
        """The opposite, in its plain form."""
        assert ast.unparse(negated(ast.parse(text, mode="eval").body)) == opposite

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("input_budget <= draft_slots", {"input_budget", "draft_slots"}),
            ("not preempted_reqs", {"preempted_reqs"}),
            ("self.a > 0", None),
            ("len(a) > 0", None),
            ("a in b", None),
            ("a[0]", None),
            ("(a := 1)", None),
        ],
    )
    def test_what_may_be_asked_again(self, text: str, names: set[str] | None) -> None:
        """Nothing that could call anything."""
        assert names_in(ast.parse(text, mode="eval").body) == names

    def test_split(self) -> None:
        """Only the chain of the wanted operator is taken apart."""
        test = ast.parse("a or (b and c) or d", mode="eval").body
        assert [ast.unparse(one) for one in split(test, ast.Or)] == ["a", "b and c", "d"]
        assert split(test, ast.And) == [test]
