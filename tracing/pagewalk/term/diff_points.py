"""One thing in which a step differs -> a sentence, and the numbers and places behind it."""

from __future__ import annotations

from rich.console import Console

from pagewalk.term.layout import paragraph
from pagewalk.term.safe import escape, shown
from pagewalk.term.words import count
from pagewalk.views.diff_values import Fact, Point, Why
from pagewalk.views.reasons import Reason, refusal_compared
from pagewalk.views.step import Exit, Preemption, Refusal, Share

_WIDTH = 40
_GUARD = 160


def point(console: Console, one: Point) -> None:
    """The sentence, then why the trace that has nothing has nothing."""
    paragraph(console, _sentence(one), indent=2)
    for name, why in (("A", one.why_a), ("B", one.why_b)):
        if why is not None:
            _why(console, name, why)
    for name, fact in (("A", one.a), ("B", one.b)):
        if isinstance(fact, Preemption) and fact.refusal is not None:
            _numbers(console, name, fact.refusal)
        elif isinstance(fact, Refusal):
            _numbers(console, name, fact)
        elif isinstance(fact, Exit):
            _exit(console, name, fact)


def _sentence(one: Point) -> str:
    who = shown(one.request, _WIDTH) if one.request else ""
    if one.what == "scheduled":
        share, has, has_not = _either(one)
        return f"{who} gets {_share(share)} in {has}, and none in {has_not}."
    if one.what == "tokens":
        return f"{who} gets {_share(one.a)} in A, and {_share(one.b)} in B."
    if one.what == "hit":
        return f"{who} finds {_tokens(one.a)} in the prefix cache in A, and {_tokens(one.b)} in B."
    if one.what in ("admission", "computed", "drafts"):
        a, b = (_field(fact, one.what) for fact in (one.a, one.b))
        return f"{who} gets as many tokens in both; {one.what}: {a} in A, {b} in B."
    if one.what == "order":
        a, b = (shown(_field(fact, "request"), _WIDTH) for fact in (one.a, one.b))
        return f"The same requests come in another order: {a} in A where B has {b}."
    if one.what in ("preempted", "refused"):
        return _lost(one, who)
    if one.what == "exit":
        fact, has, has_not = _either(one)
        kind = escape(_field(fact, "kind"))
        at = f", looking at {who}" if who else ""
        loop = escape(_field(fact, "loop")) or "waiting"
        return f"The {loop} loop takes the exit {kind} in {has}{at}, and not in {has_not}."
    if one.what == "finished":
        _, has, has_not = _either(one)
        return f"{who} had finished before this step in {has}, and not in {has_not}."
    return f"{count(_number(one.a), 'request')} {one.what} in A, {_number(one.b):,} in B."


def _lost(one: Point, who: str) -> str:
    verb = "is preempted" if one.what == "preempted" else "is refused its blocks"
    if one.a is not None and one.b is not None:
        return f"{who} {verb} in both, {_by(one.a)} in A, {_by(one.b)} in B."
    fact, has, has_not = _either(one)
    return f"{who} {verb} in {has}{_by(fact)}, and not in {has_not}."


def _by(fact: object) -> str:
    if not isinstance(fact, Preemption):
        return ""
    cause = "by a reset of the prefix cache"
    if fact.by == fact.request:
        cause = "for its own sake"
    elif fact.by is not None:
        cause = f"so that {shown(fact.by, _WIDTH)} can grow"
    return f" {cause} (it loses {count(fact.computed, 'computed token')})"


def _either(one: Point) -> tuple[Fact | int | None, str, str]:
    return (one.b, "B", "A") if one.a is None else (one.a, "A", "B")


def _share(fact: object) -> str:
    if not isinstance(fact, Share):
        return "nothing"
    told = count(fact.tokens, "token")
    done = "" if not fact.computed else f", {fact.computed:,} computed before"
    return f"{told} ({fact.admission}{done})"


def _field(fact: object, name: str) -> str:
    return str(getattr(fact, name, "?"))


def _number(fact: object) -> int:
    return fact if isinstance(fact, int) else 0


def _tokens(fact: object) -> str:
    return count(_number(fact), "token")


def _why(console: Console, name: str, why: Why) -> None:
    reason = why.reason
    if reason is None:
        paragraph(console, f"{name}: {escape(why.absent)}.", indent=4)
        return
    paragraph(console, f"{name}: {_told(reason)}", indent=4)
    if reason.compared is not None:
        one = reason.compared
        text = f"{one.left} {one.left_value:,} {one.op} {one.right} {one.right_value:,}"
        paragraph(console, text, "head", 7)
    for place in reason.places:
        _place(console, place.file, place.line, place.guard, 7)


def _told(reason: Reason) -> str:
    sign = "~" if reason.inferred else ""
    if reason.head is None:
        return f"{sign}{escape(reason.kind)}. {reason.sentence}"
    behind = f"it stood behind {shown(reason.head, _WIDTH)}, which ended the pass"
    return f"{sign}{escape(reason.head_kind)}: {behind}. {reason.head_sentence}"


def _numbers(console: Console, name: str, refusal: Refusal) -> None:
    compared = refusal_compared(refusal)
    if compared is not None:
        one = compared
        text = f"{name}: {one.left} {one.left_value:,} {one.op} {one.right} {one.right_value:,}"
        paragraph(console, f"{text}, for {count(refusal.new_tokens, 'token')}", "head", 4)


def _exit(console: Console, name: str, taken: Exit) -> None:
    values = ", ".join(f"{escape(key)} {value:,}" for key, value in taken.values.items())
    if values:
        paragraph(console, f"{name}: {values}", "quiet", 4)
    if taken.line:
        _place(console, taken.file, taken.line, taken.guard, 7)


def _place(console: Console, file: str, line: int, guard: str, indent: int) -> None:
    guard = escape(guard)
    guard = guard if len(guard) <= _GUARD else f"{guard[:_GUARD]} …"
    paragraph(console, f"{escape(file)}:{line}  if {guard}", "place", indent)


__all__ = ["point"]
