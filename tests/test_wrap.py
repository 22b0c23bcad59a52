"""Stand-ins: arguments, result and exceptions pass untouched, whatever a reader does."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from pagewalk.capture.wrap import Outlets, wrap
from pagewalk.probes.spec import STEP, Probe, argument
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

    def test_a_row_that_only_notes(self) -> None:
        """It gets the call as it is, and nothing comes of it; what raises is reported."""
        seen: list[Any] = []
        log, engine = Log(), Engine()
        note = row("before", lambda *call: seen.append(call), notes=True)
        assert wrap(Engine.call, note, log.outlets)(engine, 1, twice=True) == [1, 1]
        assert seen == [((engine, 1), {"twice": True})]
        broken = row("before", raises, notes=True)
        assert wrap(Engine.call, broken, log.outlets)(engine, value=2) == [2]
        ((failed, thing, error),) = log.failed
        assert (failed, thing, type(error)) == (broken, engine, ZeroDivisionError)
        assert log.emitted == []

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
