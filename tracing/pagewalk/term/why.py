"""Why a request waited, lost blocks or missed the cache -> paragraphs with places and numbers."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from pagewalk.term.console import line
from pagewalk.term.layout import paragraph
from pagewalk.term.safe import escape, shown
from pagewalk.term.words import count, duration, span
from pagewalk.views.follow import Lost, Wait
from pagewalk.views.prefix import Eviction, PrefixStory
from pagewalk.views.reasons import Compared, Place, Reason
from pagewalk.views.why import Why

_MOST_WAITS = 20
_INDENT = 4
_GUARD = 300
_RULES = {
    "fcfs": "the request admitted last gives way",
    "priority": "the least urgent request gives way",
}


def show(console: Console, one: Why) -> None:
    """All of it; a part that has nothing to tell says so in a line."""
    line(
        console,
        ("why ", "quiet"),
        (shown(one.request, 60), "head"),
        (f"   engine {one.engine}, vLLM {escape(one.release) or '?'}", "quiet"),
    )
    if not one.marked and (one.waits or one.preemptions):
        _paragraph(
            console,
            "The source of schedule() could not be marked in this process, so the reasons are "
            "inferred from the calls it made, and have no line numbers.",
            "unsure",
            0,
        )
    _scheduled(console, one)
    _waits(console, one)
    _preemptions(console, one)
    _lookups(console, one)


def _scheduled(console: Console, one: Why) -> None:
    if one.asked_step is None:
        if one.first_step is not None and one.last_step is not None:
            there = f"in the scheduler from step {one.first_step} to step {one.last_step}"
            line(console, f"{there}; tokens in {one.scheduled_steps:,} of these steps")
        return
    share = one.scheduled
    if share is not None:
        before = "" if share.computed is None else f" after {share.computed:,} computed ones"
        tokens = count(share.tokens, "token")
        line(console, f"step {one.asked_step}: scheduled, {tokens}{before}")


def _waits(console: Console, one: Why) -> None:
    if not one.waits:
        if one.asked_step is None:
            _title(console, "Not scheduled")
            _paragraph(console, "It got tokens in every step in which it was there.")
        return
    _title(console, "Not scheduled")
    for wait in one.waits[:_MOST_WAITS]:
        _wait(console, wait, one)
    rest = one.waits[_MOST_WAITS:]
    if rest:
        steps = count(sum(wait.steps for wait in rest), "step")
        _paragraph(
            console,
            f"… and {count(len(rest), 'more wait')} of {steps} in all: --step N or --json shows "
            "them.",
            "quiet",
        )


def _wait(console: Console, wait: Wait, one: Why) -> None:
    reason = wait.reason
    length = f"{count(wait.steps, 'step')}, {duration(wait.ended - wait.began)}"
    place = "running" if wait.running else f"no. {wait.position} in the queue"
    kind = reason.head_kind or reason.kind
    sign = "~" if reason.inferred else ""
    line(
        console,
        "  ",
        (span(wait.first, wait.last), "head"),
        (f"  {length}; {place}  ", "quiet"),
        (sign + escape(kind), "id"),
    )
    if reason.head is not None:
        _paragraph(
            console,
            f"It stood behind {shown(reason.head, 40)} and was not looked at. That one ended the "
            f"pass: {_lower(reason.head_sentence)}",
        )
    else:
        _paragraph(console, reason.sentence)
    last = wait.compared_last if one.asked_step is None else None
    _numbers(console, reason, last)
    _places(console, reason.places)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _numbers(console: Console, reason: Reason, last: Compared | None) -> None:
    compared = reason.compared
    if compared is None:
        return
    text = _compared(compared)
    if last is not None and last != compared:
        text += f" at first, {_compared(last)} at last"
    watermark = reason.values.get("watermark_blocks")
    if watermark and compared.left == "required_blocks":
        text += f", a watermark of {watermark} included"
    _paragraph(console, text, "head")


def _compared(one: Compared) -> str:
    return f"{one.left} {one.left_value:,} {one.op} {one.right} {one.right_value:,}"


def _places(console: Console, places: Iterable[Place]) -> None:
    for place in places:
        guard = escape(place.guard)
        guard = guard if len(guard) <= _GUARD else f"{guard[:_GUARD]} …"
        _paragraph(console, f"{escape(place.file)}:{place.line}  if {guard}", "place")


def _preemptions(console: Console, one: Why) -> None:
    if not one.preemptions:
        return
    _title(console, "Preempted")
    for lost in one.preemptions:
        _preemption(console, lost, one)


def _preemption(console: Console, lost: Lost, one: Why) -> None:
    when = f"step {lost.step}" if lost.inside else f"after step {lost.step}"
    line(console, "  ", (when, "head"), "  ", (_cause(lost, one), "hurt"))
    if lost.compared is not None and lost.by is not None:
        for_what = f" for {count(lost.new_tokens or 0, 'more token')} of {shown(lost.by, 28)}"
        _paragraph(console, f"{_compared(lost.compared)},{for_what}", "head")
    _places(console, lost.places)
    text = f"It lost {count(lost.lost, 'computed token')}"
    if lost.resumed_step is None:
        text += "; it was not resumed in this trace."
    else:
        text += (
            f" and was resumed in step {lost.resumed_step}: {lost.rehit or 0:,} of its tokens "
            f"were still cached, {lost.recomputed or 0:,} of the lost ones had to be computed "
            "again."
        )
    _paragraph(console, text)


def _cause(lost: Lost, one: Why) -> str:
    if lost.by is None:
        return "by a reset of the prefix cache, which takes all running requests"
    rule = _RULES.get(lost.rule, escape(lost.rule))
    if lost.by == one.request:
        return f"for its own sake: it needs a block, and it is itself the one to go ({rule})"
    return f"so that {shown(lost.by, 28)} can grow ({rule})"


def _lookups(console: Console, one: Why) -> None:
    if not one.lookups:
        return
    _title(console, "Prefix cache")
    for story in one.lookups:
        _lookup(console, story, one)


def _lookup(console: Console, story: PrefixStory, one: Why) -> None:
    hit = f"hit {story.hit:,} of {count(story.tokens, 'token')}"
    if story.ended == "off":
        hit = "no lookup"
    when = "" if story.admitted else ", not admitted"
    line(console, "  ", (f"step {story.step}{when}", "head"), f"  {hit}")
    if story.external:
        _paragraph(console, f"{count(story.external, 'token')} more came by a KV connector.")
    _paragraph(console, story.sentence)
    if story.eviction is not None:
        _paragraph(console, _fate(story.eviction, one))


def _fate(one: Eviction, told: Why) -> str:
    text = f"It was in block {one.block} since step {one.cached_step}"
    if one.cached_by is not None:
        text += f", put there by {_self(one.cached_by, told)}"
    if one.gone_step is None:
        return f"{text}."
    text += f", and gone in step {one.gone_step}"
    if one.gone_to is not None:
        text += f", when the block was handed to {_self(one.gone_to, told)}"
    return f"{text}."


def _self(request: str, told: Why) -> str:
    return "this request" if request == told.request else shown(request, 40)


def _title(console: Console, title: str) -> None:
    line(console, "")
    line(console, (title, "head"))


def _paragraph(console: Console, text: str, style: str = "", indent: int = _INDENT) -> None:
    paragraph(console, text, style, indent)


__all__ = ["show"]
