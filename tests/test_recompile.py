"""A function with marks is the same function, and tells each of its exits."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pagewalk.capture.recompile import CannotRecompile, Recompiled, recompile, silence

TOY = Path(__file__).with_name("toy_exits.py")


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[ModuleType]:
    """A copy of the toy, imported."""
    path = tmp_path / "copied_toy.py"
    shutil.copy(TOY, path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


class Marks(list[tuple[int, Any, tuple[Any, ...]]]):
    """Collects what marks say."""

    def __call__(self, site: int, request: Any, values: tuple[Any, ...]) -> None:
        """Be the mark."""
        self.append((site, request, values))

    def said(self, marked: Recompiled) -> list[tuple[str, Any, dict[str, Any]]]:
        """Guard, name of the request and named values of each mark."""
        sites = {site.site: site for site in marked.sites}
        return [
            (
                sites[number].guard,
                getattr(request, "name", None),
                dict(zip(sites[number].names, values, strict=True)),
            )
            for number, request, values in self
        ]


def lines(function: Any) -> set[int | None]:
    """The lines that a tracer or a coverage tool would see."""
    return {line for _, _, line in function.__code__.co_lines()}


class TestSameFunction:
    """What a caller, a debugger or a traceback can see does not change."""

    def test_looks_the_same(self, toy: ModuleType) -> None:
        """Names, documentation, defaults, signature and flags are those of the original."""
        old = toy.Scheduler.schedule
        new = recompile(old, Marks()).function
        for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
            assert getattr(new, name) == getattr(old, name)
        assert new.__defaults__ == (9,)
        assert new.__kwdefaults__ == {"skip": "skip"}
        assert new.__globals__ is old.__globals__
        assert inspect.signature(new) == inspect.signature(old)
        for name in ("co_filename", "co_firstlineno", "co_name", "co_qualname", "co_flags"):
            assert getattr(new.__code__, name) == getattr(old.__code__, name)

    def test_has_the_same_lines(self, toy: ModuleType) -> None:
        """No line comes or goes, and the source is found where it was."""
        old = toy.Scheduler.schedule
        new = recompile(old, Marks()).function
        assert lines(new) == lines(old)
        assert inspect.getsource(new) == inspect.getsource(old)

    def test_tracebacks_are_the_same(self, toy: ModuleType) -> None:
        """Line, text and the marked columns of an exception do not move."""
        new = recompile(toy.Scheduler.schedule, Marks()).function
        tracebacks = []
        for function in (toy.Scheduler.schedule, new):
            with pytest.raises(ValueError, match="boom") as caught:
                function(toy.Scheduler([], [toy.Request("boom")], 5))
            tracebacks.append(traceback.format_tb(caught.tb)[1:])
        assert tracebacks[0] == tracebacks[1]

    def test_touches_no_module(self, toy: ModuleType) -> None:
        """The function's globals gain nothing."""
        before = dict(vars(toy))
        recompile(toy.Scheduler.schedule, Marks())
        assert vars(toy) == before

    def test_private_names_and_super_still_work(self, toy: ModuleType) -> None:
        """They mean what they mean inside the class."""
        new = recompile(toy.Scheduler.schedule, Marks()).function
        running = [toy.Request("a", blocks=None)]
        waiting = [toy.Request(str(number)) for number in range(5)]
        assert new(toy.Scheduler(running, waiting, 9)) == ["0", "1", "2"]

    def test_closures_are_shared(self, toy: ModuleType) -> None:
        """The cells are the very cells of the original."""
        old = toy.enclosed(4)
        new = recompile(old, Marks()).function
        assert new.__closure__ == old.__closure__
        assert new(toy.Scheduler([1], [], 0)) == old(toy.Scheduler([1], [], 0)) == 1

    @pytest.mark.engine
    def test_the_engine_s_functions(self) -> None:
        """The installed vLLM's own functions take marks and stay the same."""
        from vllm.v1.core.kv_cache_manager import KVCacheManager
        from vllm.v1.core.sched.scheduler import Scheduler

        for old in (Scheduler.schedule, KVCacheManager.allocate_slots):
            before = dict(old.__globals__)
            marked = recompile(old, Marks())
            assert marked.sites
            assert lines(marked.function) == lines(old)
            assert inspect.signature(marked.function) == inspect.signature(old)
            assert marked.function.__code__.co_freevars == old.__code__.co_freevars
            assert old.__globals__ == before


class TestMarks:
    """Each way out says where it is and what it saw."""

    def test_exits_of_both_passes(self, toy: ModuleType) -> None:
        """A request passed over, one refused with the reason before it, and the end."""
        marks = Marks()
        marked = recompile(toy.Scheduler.schedule, marks)
        running = [toy.Request("a", 2), toy.Request("skip"), toy.Request("b", blocks=None)]
        marked.function(toy.Scheduler(running, [], 7))
        assert marks.said(marked) == [
            ("request.name == skip", "skip", {"token_budget": 5}),
            ("self.__hidden == 0", "b", {"token_budget": 5, "num_new_tokens": 1}),
            ("new_blocks is None", "b", {"token_budget": 5, "num_new_tokens": 1}),
            ("not self.waiting or len(scheduled) >= super().limit()", None, {"token_budget": 5}),
        ]

    def test_loops_that_run_out_of_budget(self, toy: ModuleType) -> None:
        """A loop that ends by itself says so where its condition can be asked again."""
        marks = Marks()
        marked = recompile(toy.Scheduler.schedule, marks)
        marked.function(toy.Scheduler([toy.Request("a", 3)], [], 3))
        assert marks.said(marked) == [("token_budget <= 0", None, {"token_budget": 0})] * 2
        ends = [site.loop for site in marked.sites if site.kind == "token_budget"]
        assert ends == ["running", "waiting"]

    def test_refused_slots(self, toy: ModuleType) -> None:
        """A `return None` under a condition is an exit; numbers start where the caller says."""
        marks = Marks()
        marked = recompile(toy.Scheduler.allocate_slots, marks, first_site=40)
        assert marked.function(None, toy.Request("a"), 3) == [6]
        assert marked.function(None, toy.Request("a"), 5) is None
        assert [site.site for site in marked.sites] == [40]
        values = {"num_new_tokens": 5, "required_blocks": 10}
        assert marks.said(marked) == [("required_blocks > 8", "a", values)]

    @pytest.mark.parametrize(
        ("running", "waiting", "budget", "guards"),
        [
            ([], [], 5, []),
            ([], ["a"], 2, ["input_budget <= draft_slots"]),
            ([], ["a"], 9, ["input_budget <= draft_slots"]),
            ([], ["a"], 0, ["token_budget <= 0"]),
            (["a"], ["a"], 5, ["preempted_reqs"]),
        ],
    )
    def test_a_gate_and_a_quiet_way_out(
        self, toy: ModuleType, running: list[str], waiting: list[str], budget: int, guards: object
    ) -> None:
        """An empty queue is quiet, the rest of the same condition is not; loops inside are."""
        marks = Marks()
        marked = recompile(toy.Scheduler.gated, marks)
        scheduler = toy.Scheduler(running, [toy.Request(name) for name in waiting], budget)
        assert marked.function(scheduler) == toy.Scheduler.gated(scheduler)
        assert [guard for guard, _, _ in marks.said(marked)] == guards

    def test_a_gate_that_is_shut_for_the_second_reason(
        self, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first condition is asked again, the second is told by that alone."""
        monkeypatch.setattr(toy.Base, "limit", lambda self: len(self.running))
        marks = Marks()
        marked = recompile(toy.Scheduler.gated, marks)
        marked.function(toy.Scheduler([], [], 5))
        assert [guard for guard, _, _ in marks.said(marked)] == ["self.limit() != 3"]

    def test_lines_are_those_of_the_file(self, toy: ModuleType) -> None:
        """A site's line is that of its statement, or of the loop that ended."""
        marked = recompile(toy.Scheduler.schedule, Marks())
        text = TOY.read_text().splitlines()
        for site in marked.sites:
            line = text[site.line - 1].strip()
            assert line in ("break", "continue") or line.startswith("while ")
        assert Path(marked.file).name == "copied_toy.py"

    def test_silenced_marks_say_nothing(self, toy: ModuleType) -> None:
        """`silence` reaches functions that somebody still holds."""
        marks = Marks()
        marked = recompile(toy.Scheduler.schedule, marks)
        silence(marked)
        marked.function(toy.Scheduler([toy.Request("skip")], [], 1))
        assert marks == []


class TestRefusals:
    """Anything unexpected is a reason, never an exception of another kind."""

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("straight", "no exit"),
            ("later", "not a function definition"),
            ("lambda_", "not a function definition"),
            ("decorated", "not a plain Python function"),
        ],
    )
    def test_not_a_function_with_exits(self, toy: ModuleType, name: str, reason: str) -> None:
        """There is nothing to mark."""
        with pytest.raises(CannotRecompile, match=reason):
            recompile(getattr(toy.Scheduler, name), Marks())

    def test_decorated(self, toy: ModuleType) -> None:
        """What a decorator would do again is not ours to repeat."""
        with pytest.raises(CannotRecompile, match="decorator"):
            recompile(toy.Scheduler.decorated.__wrapped__, Marks())

    def test_wrapped(self, toy: ModuleType) -> None:
        """Somebody else's wrapper is not taken off."""
        with pytest.raises(CannotRecompile, match="wrapped"):
            recompile(toy.wrapped(toy.Scheduler.schedule), Marks())

    @pytest.mark.parametrize("thing", [len, functools.partial(print), None, 3])
    def test_not_python(self, thing: Any) -> None:
        """Only plain functions have a source."""
        with pytest.raises(CannotRecompile, match="plain Python function"):
            recompile(thing, Marks())

    def test_no_source(self) -> None:
        """A function that was never in a file."""
        names: dict[str, Any] = {}
        exec("def schedule(self):\n    while self.running:\n        break", names)
        with pytest.raises(CannotRecompile, match="source is not available"):
            recompile(names["schedule"], Marks())

    @pytest.mark.parametrize(
        "change",
        [
            ("token_budget -= num_new_tokens", "token_budget -= num_new_tokens + 1"),
            ("stop: int = 9", "stop: int = 9, more=1"),
            ('"""A toy', '\n\n"""A toy'),
            ("    def schedule", "    def something"),
            ("class Scheduler", "class ((("),
            ("limit()", "limit\0()"),
        ],
    )
    def test_source_that_has_changed(self, toy: ModuleType, change: tuple[str, str]) -> None:
        """A file that was edited since the import is not the function that runs."""
        path = Path(toy.__file__ or "")
        path.write_text(path.read_text().replace(*change))
        with pytest.raises(CannotRecompile):
            recompile(toy.Scheduler.schedule, Marks())

    def test_source_that_is_gone(self, toy: ModuleType) -> None:
        """A file that was deleted since the import."""
        Path(toy.__file__ or "").unlink()
        with pytest.raises(CannotRecompile, match="source is not available"):
            recompile(toy.Scheduler.schedule, Marks())
