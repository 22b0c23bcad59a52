"""An engine function and a probe row -> the function that stands in for it.

The engine's arguments, result and exceptions pass untouched. A reader that raises is reported
to `fail` and never to the engine.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pagewalk.probes.spec import STEP, Probe, Reading
from pagewalk.trace.events import Event

Function = Callable[..., Any]
Emit = Callable[[Reading], None]
Fail = Callable[[Probe, object, Exception], None]
_EVENT_TYPE = type(Event)  # an event type is told from a plain value by its own type


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where a wrapper sends a reading, and where it reports a reader that raised."""

    emit: Emit
    fail: Fail


def wrap(original: Function, row: Probe, outlets: Outlets) -> Function:
    """The stand-in for `original` that `row` asks for."""
    asynchronous = inspect.iscoroutinefunction(original)
    make = {
        ("before", False): _before,
        ("before", True): _before,
        ("after", False): _after,
        ("after", True): _after_async,
        ("around", False): _around,
        ("around", True): _around_async,
    }[row.moment, asynchronous]
    return functools.wraps(original)(make(original, row, outlets))


def send(emit: Emit, reading: Any) -> None:
    """Emit one reading, several or none."""
    if reading is None:
        return
    if reading.__class__ is list:
        for one in reading:
            emit(one)
    else:
        emit(reading)


# These run a few times a step, each time after so much else that nothing of them is in the
# processor's caches. So they are written out flat: a call of one more function costs a
# microsecond there. `benchmarks/in_place.py` measures them where they stand.


def _before(original: Function, row: Probe, outlets: Outlets) -> Function:
    if row.notes:
        return _noting(original, row, outlets)
    emit, fail, read = outlets.emit, outlets.fail, row.read

    def before(*args: Any, **kwargs: Any) -> Any:
        # A plain function of a module has no `self`, and may be given nothing by position.
        thing = args[0] if args else None
        try:
            reading = read(thing, args[1:], kwargs)
            if reading is not None:
                if reading.__class__ is tuple:
                    emit(reading)
                else:
                    for one in reading:
                        emit(one)
        except Exception as error:
            fail(row, thing, error)
        return original(*args, **kwargs)

    return before


def _noting(original: Function, row: Probe, outlets: Outlets) -> Function:
    """For what is called many times a step, once for each layer."""
    fail, read = outlets.fail, row.read

    def noting(*args: Any, **kwargs: Any) -> Any:
        try:
            read(args, kwargs)
        except Exception as error:
            fail(row, args[0] if args else None, error)
        return original(*args, **kwargs)

    return noting


def _after(original: Function, row: Probe, outlets: Outlets) -> Function:
    if row.materialise:
        return _after_materialised(original, row, outlets)
    emit, fail, read = outlets.emit, outlets.fail, row.read

    def after(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            reading = read(self, args, kwargs, result)
            if reading is not None:
                if reading.__class__ is tuple:
                    emit(reading)
                else:
                    for one in reading:
                        emit(one)
        except Exception as error:
            fail(row, self, error)
        return result

    return after


def _after_materialised(original: Function, row: Probe, outlets: Outlets) -> Function:
    """For a callee that may be given an iterator: reader and callee both get the same list."""
    emit, fail, read, name = outlets.emit, outlets.fail, row.read, row.needs[0]

    def after(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args:
            args = (list(args[0]), *args[1:])
        elif name in kwargs:
            kwargs[name] = list(kwargs[name])
        result = original(self, *args, **kwargs)
        try:
            send(emit, read(self, args, kwargs, result))
        except Exception as error:
            fail(row, self, error)
        return result

    return after


def _after_async(original: Function, row: Probe, outlets: Outlets) -> Function:
    emit, fail, read = outlets.emit, outlets.fail, row.read

    async def after(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        try:
            send(emit, read(self, args, kwargs, result))
        except Exception as error:
            fail(row, self, error)
        return result

    return after


def _around(original: Function, row: Probe, outlets: Outlets) -> Function:
    begin, read, emit, fail, stamp = row.begin, row.read, outlets.emit, outlets.fail, row.stamp
    assert begin is not None, "an `around` row has a `begin`"

    def around(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            # A value for the reader, or an event of its own.
            begun = begin(self, args, kwargs)
            if begun.__class__ is tuple and begun[0].__class__ is _EVENT_TYPE:
                emit(begun)
        except Exception as error:
            fail(row, self, error)
            begun = None
        result = original(self, *args, **kwargs)
        if begun is None:
            return result
        try:
            if stamp:
                setattr(result, STEP, self.current_step)
            reading = read(self, args, kwargs, result, begun)
            if reading is not None:
                if reading.__class__ is tuple:
                    emit(reading)
                else:
                    for one in reading:
                        emit(one)
        except Exception as error:
            fail(row, self, error)
        return result

    return around


def _around_async(original: Function, row: Probe, outlets: Outlets) -> Function:
    begin, read, emit, fail = row.begin, row.read, outlets.emit, outlets.fail
    assert begin is not None, "an `around` row has a `begin`"

    async def around(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            begun = begin(self, args, kwargs)
        except Exception as error:
            fail(row, self, error)
            begun = None
        result = await original(self, *args, **kwargs)
        try:
            if begun is not None:
                send(emit, read(self, args, kwargs, result, begun))
        except Exception as error:
            fail(row, self, error)
        return result

    return around
