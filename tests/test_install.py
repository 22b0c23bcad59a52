"""Probes in place: what is absent is said, what raises is removed, restoring is exact."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from lines import kinds, lines_of, only, segments_of

from pagewalk.capture.install import Installation
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import RUN, Settings
from pagewalk.probes.spec import NUMBER, Probe, Redundant
from pagewalk.trace import events as ev

MOMENTS = ("before", "after", "around")


def raises(*_: Any) -> Any:
    raise ZeroDivisionError("a reader's own fault")


SOURCE = """
class Part:
    def __init__(self, size):
        self.size = size

class Slotted:
    __slots__ = ("size",)
    def __init__(self, size):
        self.size = size

class Engine:
    def call(self, value):
        return [value]
    def other(self, value):
        return (value,)
    @classmethod
    def of_class(cls, value):
        return cls, value

class Child(Engine):
    pass
"""


@pytest.fixture
def toy() -> Iterator[Any]:
    """The module `toy_engine`, importable for the length of a test."""
    module = ModuleType("toy_engine")
    exec(SOURCE, vars(module))
    sys.modules["toy_engine"] = module
    yield module
    del sys.modules["toy_engine"]


class Bench:
    """Rows installed into the toy engine, and the trace they leave."""

    def __init__(self, directory: Path, *rows: Probe, strict: bool = False) -> None:
        self.directory = directory
        self.recorder = Recorder(Settings(directory))
        self.installation = Installation(self.recorder, rows, strict=strict)
        self.recorder.wake()
        self.installation.install()

    def lines(self) -> list[dict[str, Any]]:
        self.installation.restore()
        self.recorder.close()
        return lines_of(segments_of(self.directory)[0])


def toy_row(method: str, moment: Any = "after", read: Any = None, **more: Any) -> Probe:
    if moment == "around":
        more.setdefault("begin", lambda *_: 0)
    read = read or (lambda *_: (ev.EngineFailed, method))
    component = more.pop("component", "toy")
    return Probe(component, f"toy_engine:{method}", moment, read, **more)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setenv(RUN, "")
    made: list[Bench] = []

    def make(*rows: Probe, **options: Any) -> Bench:
        made.append(Bench(tmp_path / f"trace-{len(made)}", *rows, **options))
        return made[-1]

    yield make
    for one in made:
        one.installation.restore()
        one.recorder.close()


class TestInstalled:
    """Probes in place: what is absent is said, what raises is removed, restoring is exact."""

    def test_restored_by_identity(self, toy: Any, bench: Callable[..., Bench]) -> None:
        before = dict(vars(toy.Engine))
        one = bench(toy_row("Engine.call"), toy_row("Engine.call", "before"))
        assert vars(toy.Engine)["call"] is not before["call"]
        assert toy.Engine().call(1) == [1]
        lines = one.lines()
        assert dict(vars(toy.Engine)) == before
        assert vars(toy.Engine)["call"] is before["call"]
        assert len(only(lines, "EngineFailed")) == 2

    @pytest.mark.parametrize(
        ("rows", "why"),
        [
            ([toy_row("Engine.gone")], "does not exist"),
            ([toy_row("Gone.call")], "Gone does not exist"),
            ([toy_row("Child.call")], "inherited, not its own"),
            ([toy_row("Engine.other", needs=("value", "more"))], "no parameter more"),
        ],
        ids=["method", "class", "inherited", "parameter"],
    )
    def test_all_or_nothing(
        self, rows: list[Probe], why: str, toy: Any, bench: Callable[..., Bench]
    ) -> None:
        before = dict(vars(toy.Engine))
        one = bench(toy_row("Engine.call"), *rows, toy_row("Part.__init__", component="another"))
        assert dict(vars(toy.Engine)) == before
        mine, another = only(one.lines(), "ProbesInstalled")
        assert mine["present"] == []
        assert mine["absent"][rows[0].target] == why
        assert mine["absent"]["toy_engine:Engine.call"].startswith("left out because another")
        assert another["present"] == ["toy_engine:Part.__init__"]

    def test_a_class_method(self, toy: Any, bench: Callable[..., Bench]) -> None:
        """The class it is called on reaches function and reader, whoever is asked."""
        own = vars(toy.Engine)["of_class"]
        seen: list[Any] = []
        row = toy_row("Engine.of_class", read=lambda *call: seen.append(call), needs=("value",))
        one = bench(row, toy_row("Engine.of_class", "around"))
        assert toy.Engine.of_class(1) == (toy.Engine, 1)
        assert toy.Child().of_class(value=2) == (toy.Child, 2)
        assert seen == [
            (toy.Engine, (1,), {}, (toy.Engine, 1)),
            (toy.Child, (), {"value": 2}, (toy.Child, 2)),
        ]
        lines = one.lines()
        assert len(only(lines, "EngineFailed")) == 2
        (installed,) = only(lines, "ProbesInstalled")
        line = own.__func__.__code__.co_firstlineno
        assert installed["lines"] == {"toy_engine:Engine.of_class": line}
        assert vars(toy.Engine)["of_class"] is own

    def test_each_target_has_its_line(self, toy: Any, bench: Callable[..., Bench]) -> None:
        """The line in the source that runs, so that an event can be traced back to it."""
        line = toy.Engine.call.__code__.co_firstlineno
        (installed,) = only(bench(toy_row("Engine.call")).lines(), "ProbesInstalled")
        assert installed["lines"] == {"toy_engine:Engine.call": line}

    def test_an_optional_target_may_be_absent(self, toy: Any, bench: Callable[..., Bench]) -> None:
        one = bench(toy_row("Engine.call"), toy_row("Engine.gone", optional=True))
        toy.Engine().call(1)
        lines = one.lines()
        (installed,) = only(lines, "ProbesInstalled")
        assert installed["present"] == ["toy_engine:Engine.call"]
        assert installed["absent"] == {"toy_engine:Engine.gone": "does not exist"}
        assert len(only(lines, "EngineFailed")) == 1

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_a_reader_that_raises_is_removed(
        self, moment: str, toy: Any, bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Once, and only that one: the other reader of the same function stays."""
        one = bench(toy_row("Engine.call", moment, raises), toy_row("Engine.call"))
        engine = toy.Engine()
        assert [engine.call(number) for number in range(3)] == [[0], [1], [2]]
        lines = one.lines()
        (failed,) = only(lines, "ProbeFailed")
        assert failed["target"] == "toy_engine:Engine.call"
        assert failed["error"] == "ZeroDivisionError", "the message may hold anything"
        assert "fault" not in str(lines)
        assert len(only(lines, "EngineFailed")) == 3
        assert caplog.text.count("was removed; the engine goes on") == 1

    def test_a_begin_that_raises_is_removed(self, toy: Any, bench: Callable[..., Bench]) -> None:
        one = bench(toy_row("Engine.call", "around", begin=raises))
        before = vars(toy.Engine)["call"]
        assert toy.Engine().call(1) == [1]
        assert vars(toy.Engine)["call"] is not before
        assert toy.Engine().call(2) == [2]
        assert kinds(one.lines())[1:-1] == ["ProbesInstalled", "ProbeFailed"]

    def test_an_object_older_than_the_probes_is_no_failure(
        self, toy: Any, bench: Callable[..., Bench]
    ) -> None:
        read = lambda thing, *_: (ev.StepStarted, thing._pagewalk, 0)  # noqa: E731
        one = bench(toy_row("Engine.call", read=read))
        assert toy.Engine().call(1) == [1]
        assert only(one.lines(), "ProbeFailed") == []

    def test_a_reader_that_is_not_needed_is_removed_silently(
        self, toy: Any, bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Another probe tells the same in this release; that is no failure, in no mode."""

        def redundant(*_: Any) -> Any:
            raise Redundant

        one = bench(toy_row("Engine.call", read=redundant), toy_row("Engine.call"), strict=True)
        assert [toy.Engine().call(number) for number in range(2)] == [[0], [1]]
        before = vars(toy.Engine)["call"]
        assert toy.Engine().call(2) == [2]
        assert vars(toy.Engine)["call"] is before
        lines = one.lines()
        assert only(lines, "ProbeFailed") == []
        assert len(only(lines, "EngineFailed")) == 3
        assert caplog.text == ""

    def test_strict_raises_for_tests(self, toy: Any, bench: Callable[..., Bench]) -> None:
        bench(toy_row("Engine.call", read=raises), strict=True)
        with pytest.raises(ZeroDivisionError):
            toy.Engine().call(1)

    def test_objects_are_numbered_and_lose_it_again(
        self, toy: Any, bench: Callable[..., Bench]
    ) -> None:
        read = lambda thing, *_: (ev.StepStarted, thing._pagewalk, thing.size)  # noqa: E731
        one = bench(toy_row("Part.__init__", "construct", read, family="part"))
        parts = [toy.Part(5), toy.Part(size=6)]
        assert [getattr(part, NUMBER) for part in parts] == [0, 1]
        started = only(one.lines(), "StepStarted")
        assert [(line["engine"], line["step"]) for line in started] == [(0, 5), (1, 6)]
        assert [vars(part) for part in parts] == [{"size": 5}, {"size": 6}]

    def test_an_object_that_takes_no_number(self, toy: Any, bench: Callable[..., Bench]) -> None:
        one = bench(toy_row("Slotted.__init__", "construct", family="part"))
        assert toy.Slotted(3).size == 3
        assert toy.Slotted(4).size == 4
        (failed,) = only(one.lines(), "ProbeFailed")
        assert failed["error"] == "AttributeError"

    def test_a_constructor_that_raises(self, toy: Any, bench: Callable[..., Bench]) -> None:
        bench(toy_row("Part.__init__", "construct", family="part"))
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            toy.Part()

    def test_a_table_that_cannot_be_watched(self, toy: Any, bench: Callable[..., Bench]) -> None:
        one = bench(toy_row("Part.__init__", "track", family="table", children=("req_to_blocks",)))
        assert toy.Part(3).size == 3
        (failed,) = only(one.lines(), "ProbeFailed")
        assert failed["target"] == "toy_engine:Part.__init__"

    def test_a_module_whose_probes_cannot_be_placed(
        self, toy: Any, bench: Callable[..., Bench]
    ) -> None:
        """Its import is the engine's: it must not fail. Nothing of the component stays."""

        class Frozen(type):
            def __setattr__(cls, name: str, value: Any) -> None:
                if name == "other":
                    raise TypeError("frozen")
                super().__setattr__(name, value)

        toy.Engine = Frozen("Engine", (), dict(vars(toy.Engine)))
        before = vars(toy.Engine)["call"]
        one = bench(toy_row("Engine.call"), toy_row("Engine.other"))
        assert vars(toy.Engine)["call"] is before
        (installed,) = only(one.lines(), "ProbesInstalled")
        assert set(installed["absent"].values()) == {"placing it raised TypeError"}

    def test_a_module_imported_later(
        self, bench: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "toy_later.py").write_text(SOURCE)
        monkeypatch.syspath_prepend(str(tmp_path))
        read = lambda *_: (ev.EngineFailed, "seen")  # noqa: E731
        one = bench(Probe("toy", "toy_later:Engine.call", "after", read))
        import toy_later  # type: ignore[import-not-found]

        toy_later.Engine().call(1)
        assert kinds(one.lines())[1:-1] == ["ProbesInstalled", "EngineFailed"]
        assert toy_later.Engine.call.__module__ == "toy_later"
        assert not hasattr(toy_later.Engine.call, "__wrapped__")
