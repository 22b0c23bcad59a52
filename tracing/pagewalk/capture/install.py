"""Probe rows -> a patched engine, and back: the only place that replaces engine attributes."""

from __future__ import annotations

import functools
import itertools
import logging
import weakref
from collections import defaultdict
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import wrapt

from pagewalk.capture.check import StateChecker
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.resolve import Target, Unusable, first_line, module_of, resolve
from pagewalk.capture.tracked import TrackedTables
from pagewalk.capture.wrap import Outlets, send, wrap
from pagewalk.probes import PROBES
from pagewalk.probes.spec import ENGINE, NUMBER, Probe, Redundant
from pagewalk.probes.steps import slots_refused
from pagewalk.trace.events import ProbeFailed, ProbesInstalled

if TYPE_CHECKING:
    from pagewalk.capture.recompile import Recompiled

logger = logging.getLogger("pagewalk")


class Installation:
    """Probes in place. Modules the process imports later are patched when it imports them."""

    def __init__(
        self, recorder: Recorder, rows: tuple[Probe, ...] = PROBES, *, strict: bool = False
    ) -> None:
        self.recorder = recorder
        self.rows = tuple(row for row in rows if _wanted(row, rows, recorder))
        self.checker = StateChecker(recorder, strict=strict)
        self._strict = strict
        self._active = False
        self._targets: dict[str, Target] = {}
        self._chains: dict[str, list[Probe]] = defaultdict(list)
        self._counters: dict[str, itertools.count[int]] = defaultdict(itertools.count)
        self._engine = 0
        self._tracked: list[weakref.ref[Any]] = []
        self._numbered: list[weakref.ref[Any]] = []
        self._failed: set[Probe] = set()
        self._marked: dict[str, Recompiled | None] = {}

    def install(self) -> None:
        """Patch what is imported and arrange for the rest. A second call does nothing."""
        if self._active:
            return
        self._active = True
        for row in self.rows:
            if row.forget is not None:
                row.forget()
        for name in dict.fromkeys(module_of(row.target) for row in self.rows):
            wrapt.register_post_import_hook(self._module_imported, name)

    def restore(self) -> None:
        """Put every function and table container of the engine back, by identity."""
        self._active = False
        for target in self._targets.values():
            _put_back(target)
        self._targets.clear()
        self._chains.clear()
        for marked in self._marked.values():
            if marked is not None:
                marks().unmark(marked)
        self._marked.clear()
        for reference in self._tracked:
            manager = reference()
            if manager is not None and isinstance(manager.req_to_blocks, TrackedTables):
                manager.req_to_blocks = manager.req_to_blocks.restored()
        self._tracked.clear()
        for reference in self._numbered:
            thing = reference()
            if thing is not None:
                vars(thing).pop(NUMBER, None)
                vars(thing).pop(ENGINE, None)
        self._numbered.clear()

    def number(self, thing: Any, family: str) -> int:
        """Give an engine object its number, unless it has one."""
        if getattr(thing, NUMBER, None) is None:
            setattr(thing, NUMBER, next(self._counters[family]))
            self._numbered.append(weakref.ref(thing))
            if family == "engine":
                self._engine = getattr(thing, NUMBER)
        return int(getattr(thing, NUMBER))

    def track(self, manager: Any, row: Probe) -> None:
        """Stand tracked tables in for the manager's own, and tell of the manager."""
        number = self.number(manager, row.family)
        setattr(manager, ENGINE, self._engine)
        for attribute in row.children:
            own = getattr(manager, attribute)
            setattr(manager, attribute, TrackedTables(own, number, self.recorder.emit))
        self._tracked.append(weakref.ref(manager))
        self._declare(row, manager, (), {})

    def built(self, thing: Any, row: Probe, args: Any = (), kwargs: Any = None) -> None:
        """Number what belongs to a new (or adopted) object, and tell of it."""
        for attribute in row.children:
            child = getattr(thing, attribute, None)
            if child is not None:
                self.number(child, attribute if row.family != "engine" else "queue")
        self._declare(row, thing, args, kwargs or {})

    def fail(self, row: Probe, thing: object, error: Exception) -> None:
        """A reader raised: take the probe out and say so, once."""
        unnumbered = isinstance(error, AttributeError) and error.name == NUMBER
        if unnumbered and row.moment not in ("construct", "track"):
            return  # an object built before the probes were in place: nothing is known of it
        redundant = isinstance(error, Redundant)
        if self._strict and not redundant:
            raise error
        if row in self._failed:
            return
        self._failed.add(row)
        if row.target in self._targets:
            self._chain(row.target)
        if redundant:
            return
        logger.warning(
            "pagewalk's probe of %s raised %s and was removed; the engine goes on",
            row.target,
            type(error).__name__,
        )
        self.recorder.emit((ProbeFailed, row.target, type(error).__name__))

    def _module_imported(self, module: ModuleType) -> None:
        if not self._active:
            return
        rows = [row for row in self.rows if module_of(row.target) == module.__name__]
        for component in dict.fromkeys(row.component for row in rows):
            mine = [row for row in rows if row.component == component]
            try:
                self._install(component, mine, module)
            except Exception as error:
                self._take_out(component, mine, error)

    def _take_out(self, component: str, rows: list[Probe], error: Exception) -> None:
        """Placing a component's probes failed: the engine's import must not fail for that."""
        if self._strict:
            raise error
        for name in dict.fromkeys(row.target for row in rows):
            target = self._targets.pop(name, None)
            self._chains.pop(name, None)
            if target is not None:
                _put_back(target)
        why = f"placing it raised {type(error).__name__}"
        logger.warning("pagewalk leaves the probes of %s out: %s", component, why)
        absent = {row.target: why for row in rows}
        self.recorder.declare((ProbesInstalled, component, [], absent))

    def _install(self, component: str, rows: list[Probe], module: ModuleType) -> None:
        found = [(row, resolve(row, module)) for row in rows]
        absent = {row.target: one.reason for row, one in found if isinstance(one, Unusable)}
        if any(row.target in absent and not row.optional for row, _ in found):
            # All or nothing: half of a component's events would replay into a wrong state.
            absent |= {
                row.target: "left out because another probe of its component is absent"
                for row, one in found
                if isinstance(one, Target)
            }
            found = []
        present = [row.target for row, one in found if isinstance(one, Target)]
        for row, one in found:
            if isinstance(one, Target):
                self._place(row, one)
        lines = {row.target: first_line(one) for row, one in found if isinstance(one, Target)}
        self.recorder.declare(
            (ProbesInstalled, component, list(dict.fromkeys(present)), absent, lines)
        )

    def _place(self, row: Probe, target: Target) -> None:
        self._targets.setdefault(row.target, target)
        self._chains[row.target].append(row)
        self._chain(row.target)

    def _chain(self, name: str) -> None:
        """Build the stand-in of a target from the engine's own function and its live rows."""
        target = self._targets[name]
        current = target.function
        for row in self._chains[name]:
            if row not in self._failed:
                current = self.checker.wrap(row, self._stand_in(row, current))
        target.put(current)

    def _stand_in(self, row: Probe, current: Any) -> Any:
        outlets = Outlets(self.recorder.emit, self.fail)
        if row.moment == "construct":
            return self._constructing(row, current)
        if row.moment == "track":
            return self._tracking(row, current)
        if row.moment == "marks":
            return self._marking(row, current, outlets)
        if row.wakes:
            return self._waking(wrap(current, row, outlets))
        if row.urgent:
            return wrap(self._flushing(current, row), row, outlets)
        return wrap(current, row, outlets)

    def _marking(self, row: Probe, current: Any, outlets: Outlets) -> Any:
        if row.target not in self._marked:
            place = len(self._marked)
            self._marked[row.target] = marks().mark(current, row, self.recorder, place, self.fail)
        marked = self._marked[row.target]
        if marked is not None:
            return marked.function
        if row.read is slots_refused:
            # Refusals are seen from outside then: without the numbers, but never unseen.
            return wrap(current, replace(row, moment="after"), outlets)
        return current

    def _constructing(self, row: Probe, original: Any) -> Any:
        @functools.wraps(original)
        def construct(thing: Any, *args: Any, **kwargs: Any) -> None:
            try:
                self.recorder.wake()
                self.number(thing, row.family)
            except Exception as error:
                self.fail(row, thing, error)
            original(thing, *args, **kwargs)
            try:
                self.built(thing, row, args, kwargs)
            except Exception as error:
                self.fail(row, thing, error)

        return construct

    def _tracking(self, row: Probe, original: Any) -> Any:
        @functools.wraps(original)
        def construct(manager: Any, *args: Any, **kwargs: Any) -> None:
            original(manager, *args, **kwargs)
            try:
                self.track(manager, row)
            except Exception as error:
                self.fail(row, manager, error)

        return construct

    def _waking(self, stand_in: Any) -> Any:
        @functools.wraps(stand_in)
        def waking(thing: Any, *args: Any, **kwargs: Any) -> Any:
            self.recorder.wake()
            return stand_in(thing, *args, **kwargs)

        return waking

    def _flushing(self, current: Any, row: Probe) -> Any:
        @functools.wraps(current)
        def flushing(*args: Any, **kwargs: Any) -> Any:
            try:
                self.recorder.flush()
            except Exception as error:
                self.fail(row, None, error)
            return current(*args, **kwargs)

        return flushing

    def _declare(self, row: Probe, thing: Any, args: Any, kwargs: Any) -> None:
        try:
            send(self.recorder.declare, row.read(thing, args, kwargs, None))
        except Exception as error:
            self.fail(row, thing, error)


def marks() -> ModuleType:
    """The module that marks exits: processes without a scheduler never need it."""
    from pagewalk.capture import marks

    return marks


def _put_back(target: Target) -> None:
    if vars(target.owner).get(target.name) is not target.original:
        setattr(target.owner, target.name, target.original)


def _wanted(row: Probe, rows: tuple[Probe, ...], recorder: Recorder) -> bool:
    settings = recorder.settings
    if row.level == "tokens":
        return settings.record_tokens
    if row.level == "full" and settings.level != "full":
        return False
    replaced = any(
        one.level == "tokens" and one.target == row.target and one is not row for one in rows
    )
    return not (replaced and settings.record_tokens)
