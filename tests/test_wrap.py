"""Stand-ins: the engine's arguments, result and exceptions pass untouched, whatever a reader does."""

from __future__ import annotations

import asyncio
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lines import kinds, lines_of, only, segments_of
from pagewalk.capture.install import Installation
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import RUN, Settings
from pagewalk.capture.wrap import Outlets, wrap
from pagewalk.probes.spec import NUMBER, STEP, Probe, argument
from pagewalk.trace import events as ev

TARGET = "toy_engine:Engine.call"
MOMENTS = ("before", "after", "around")


class Log:
    """Outlets that remember."""

    def __init__(self) -> None:
        self.emitted: list[Any] = []
        self.failed: list[tuple[Probe, object, Exception]] = []
        self.outlets = Outlets(self.emitted.append, lambda *what: self.failed.append(what))


def told(name: str) -> Any:
    """A reader that tells the argument `name` of a call."""

    def read(thing: Any, args: Any, kwargs: Any, *_: Any) -> Any:
        return (ev.EngineFailed, f"{name}={argument(args, kwargs, 0, name)!r}")

    return read


def raises(*_: Any) -> Any:
    raise ZeroDivisionError("a reader's own fault")


def row(moment: Any, read: Any = None, **more: Any) -> Probe:
    if moment == "around":
        more.setdefault("begin", lambda *_: 0)
    return Probe("toy", TARGET, moment, read or told("value"), ("value",), **more)


class Engine:
    """What is wrapped; `raise_` makes it fail."""

    def call(self, value: Any, *, twice: bool = False) -> Any:
        """The engine's own words."""
        if isinstance(value, Exception):
            raise value
        return [value] * (2 if twice else 1)

    async def wait(self, value: Any) -> Any:
        await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return [value]


def wrapped(moment: str, log: Log, **more: Any) -> Callable[..., Any]:
    return wrap(Engine.call, row(moment, **more), log.outlets)


@pytest.mark.parametrize("moment", MOMENTS)
class TestTransparent:
    """Nobody can tell a stand-in from the function by using it."""

    def test_arguments_by_position_and_by_name(self, moment: str) -> None:
        log, engine = Log(), Engine()
        call = wrapped(moment, log)
        assert call(engine, 1) == [1]
        assert call(engine, value=2, twice=True) == [2, 2]
        assert [what for _, what in log.emitted] == ["value=1", "value=2"]

    def test_looks_like_the_function(self, moment: str) -> None:
        call = wrapped(moment, Log())
        assert inspect.signature(call) == inspect.signature(Engine.call)
        assert (call.__name__, call.__doc__) == ("call", "The engine's own words.")
        assert call.__qualname__ == "Engine.call"

    def test_the_result_is_the_very_object(self, moment: str) -> None:
        thing = object()
        log = Log()
        assert wrapped(moment, log)(Engine(), thing)[0] is thing

    def test_a_wrong_call_is_refused_as_before(self, moment: str) -> None:
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            wrapped(moment, Log())(Engine())

    def test_an_exception_passes(self, moment: str) -> None:
        """The same object, no cause and no context of ours, one frame more in its traceback."""
        error = KeyError("the engine's own")
        with pytest.raises(KeyError) as caught:
            wrapped(moment, Log())(Engine(), error)
        assert caught.value is error
        assert error.__context__ is None
        assert error.__cause__ is None
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert frames[-1] == "call"
        assert len(frames) == 3, "the test, the stand-in, the function"

    def test_a_reader_that_raises(self, moment: str) -> None:
        log, engine = Log(), Engine()
        assert wrapped(moment, log, read=raises)(engine, 1) == [1]
        ((failed, thing, error),) = log.failed
        assert failed.target == TARGET
        assert thing is engine
        assert isinstance(error, ZeroDivisionError)
        assert log.emitted == []

    def test_an_exception_of_both(self, moment: str) -> None:
        """The reader's exception is no context of the engine's."""
        error = KeyError("the engine's own")
        with pytest.raises(KeyError) as caught:
            wrapped(moment, Log(), read=raises)(Engine(), error)
        assert caught.value is error
        assert error.__context__ is None

    @pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit])
    def test_a_signal_that_arrives_in_a_reader_reaches_the_engine(
        self, moment: str, ends: type[BaseException]
    ) -> None:
        def interrupted(*_: Any) -> Any:
            raise ends

        with pytest.raises(ends):
            wrapped(moment, Log(), read=interrupted)(Engine(), 1)

    def test_several_readings_and_none(self, moment: str) -> None:
        log = Log()
        two = [(ev.EngineFailed, "a"), (ev.EngineFailed, "b")]
        wrapped(moment, log, read=lambda *_: two)(Engine(), 1)
        wrapped(moment, log, read=lambda *_: None)(Engine(), 1)
        assert log.emitted == two

    def test_coroutines(self, moment: str) -> None:
        log, engine = Log(), Engine()
        wait = wrap(Engine.wait, row(moment), log.outlets)
        assert asyncio.run(wait(engine, 1)) == [1]
        with pytest.raises(KeyError):
            asyncio.run(wait(engine, value=KeyError()))
        bad = wrap(Engine.wait, row(moment, read=raises), log.outlets)
        assert asyncio.run(bad(engine, 1)) == [1]
        assert len(log.failed) == 1
        assert log.emitted[0][1] == "value=1"


class TestMoments:
    """What differs between `before`, `after` and `around`."""

    def test_order(self) -> None:
        log = Log()

        class Told(Engine):
            def call(self, value: Any) -> Any:
                log.emitted.append("the call")
                return value

        for moment in MOMENTS:
            wrap(Told.call, row(moment), log.outlets)(Told(), 1)
        reading = (ev.EngineFailed, "value=1")
        assert log.emitted == [reading, "the call", "the call", reading, "the call", reading]

    def test_nothing_is_read_behind_a_call_that_failed(self) -> None:
        for moment in ("after", "around"):
            log = Log()
            with pytest.raises(KeyError):
                wrapped(moment, log)(Engine(), KeyError())
            assert log.emitted == []

    def test_around_hands_over_what_began(self) -> None:
        log = Log()
        begun = lambda *_: "began"  # noqa: E731
        read = lambda *what: (ev.EngineFailed, what[-1])  # noqa: E731
        wrapped("around", log, begin=begun, read=read)(Engine(), 1)
        assert log.emitted == [(ev.EngineFailed, "began")]

    def test_around_may_begin_with_an_event(self) -> None:
        log = Log()
        started = (ev.StepStarted, 0, 1)
        wrapped("around", log, begin=lambda *_: started)(Engine(), 1)
        assert log.emitted == [started, (ev.EngineFailed, "value=1")]

    def test_a_begin_that_raises(self) -> None:
        """Without a beginning there is no end; the call is the engine's own affair."""
        log = Log()
        assert wrapped("around", log, begin=raises)(Engine(), 1) == [1]
        assert len(log.failed) == 1
        assert log.emitted == []

    def test_stamps_the_result(self) -> None:
        class Stepping(Engine):
            current_step = 41

            def call(self, value: Any) -> Any:
                return Engine()

        result = wrap(Stepping.call, row("around", stamp=True), Log().outlets)(Stepping(), 1)
        assert getattr(result, STEP) == 41

    def test_a_result_that_cannot_be_stamped(self) -> None:
        log = Log()
        assert wrapped("around", log, stamp=True)(Engine(), 1) == [1]
        assert len(log.failed) == 1

    def test_a_plain_function_called_by_name(self) -> None:
        log = Log()

        def dump(config: Any, output: Any) -> Any:
            return config, output

        read = lambda *_: (ev.EngineFailed, "dumped")  # noqa: E731
        stand_in = wrap(dump, Probe("toy", "toy_engine:dump", "before", read), log.outlets)
        assert stand_in(config=1, output=2) == (1, 2)
        assert stand_in(1, 2) == (1, 2)
        assert log.emitted == [(ev.EngineFailed, "dumped")] * 2

    @pytest.mark.parametrize("by_name", [False, True])
    def test_an_iterator_is_read_by_both(self, by_name: bool) -> None:
        """A reader that used up the callee's iterator would change what the engine does."""

        class Freeing:
            def call(self, value: Any) -> list[int]:
                return list(value)

        log = Log()
        call = wrap(Freeing.call, row("after", materialise=True), log.outlets)
        items = iter([1, 2, 3])
        result = call(Freeing(), value=items) if by_name else call(Freeing(), items)
        assert result == [1, 2, 3]
        assert log.emitted == [(ev.EngineFailed, "value=[1, 2, 3]")]


# ------------------------------------------------------------------ a toy engine, installed

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

    def test_an_optional_target_may_be_absent(
        self, toy: Any, bench: Callable[..., Bench]
    ) -> None:
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
