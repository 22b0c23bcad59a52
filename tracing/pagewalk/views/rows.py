"""The tables of an export for databases: their columns, with units and what they mean.

Times are nanoseconds since the first event of the trace, durations nanoseconds, both as int64;
`wall` is the same moment as a timestamp in UTC. Steps are an engine's own count, so that a step is
named by `engine` and `step`. Null is what the trace does not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

Type = Literal["int64", "string", "bool", "timestamp"]


class Column(NamedTuple):
    """One column of a table."""

    name: str
    type: Type
    meaning: str


class Table(NamedTuple):
    """One table: what a row of it is, and its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]


def _columns(text: str) -> Iterator[Column]:
    types: dict[str, Type] = {"i": "int64", "s": "string", "b": "bool", "w": "timestamp"}
    for line in filter(None, text.splitlines()):
        kind, name, meaning = line.split(maxsplit=2)
        yield Column(name, types[kind], meaning)


def _table(name: str, row: str, text: str) -> Table:
    return Table(name, row, tuple(_columns(text)))


_WHERE = """
i engine The engine's index, as `--engine` takes it.
i step The step, the engine's own count.
"""

STEPS = _table(
    "steps",
    "One call of schedule(). Counts of queues and blocks are those right after it.",
    _WHERE
    + """
i began When schedule() was entered.
i t When it returned.
w wall When it returned, in UTC.
i updated When update_from_output() returned for it.
i budget Tokens that could be scheduled.
i used Tokens that were.
i scheduled Requests that got tokens.
i new Requests admitted for the first time.
i resumed Requests admitted again after a preemption.
i preempted Requests preempted in it.
i waiting Requests in all waiting queues.
i running Requests running.
i free_blocks Free blocks of the main pool.
i ran The model's time for it on the lowest traced rank.
s unknown Why the state is not known here; null if it is.
""",
)
SHARES = _table(
    "shares",
    "What one request got in one step.",
    _WHERE
    + """
s request The engine's id of the request.
i tokens Tokens scheduled, drafts among them.
i computed Its tokens that had KV before the step.
s admission `new`, `resumed` or `running`.
i drafts Draft tokens among them.
""",
)
REQUESTS = _table(
    "requests",
    "One request of the trace.",
    """
i engine The engine that took it; null if none did.
s request The engine's id of it.
s external The user's own id.
s status How it ended, or `unfinished`.
w wall When it arrived, or else when the scheduler took it, in UTC.
i arrived When it came to the front end.
i enqueued When the scheduler took it.
i enqueued_step The last step before that; 0 if there was none.
i admitted When the step began that first gave it tokens.
i first_step That step.
i last_step The last step that gave it tokens.
i first_token When its first new token was appended.
i last_token When its last one was.
i finished When the scheduler let it go.
i delivered When its last output reached the caller.
i prompt_tokens Tokens of its prompt.
i max_tokens Most tokens it may generate.
i output_tokens Tokens it generated.
i priority Its priority.
i prefix_hit Tokens found in the prefix cache at its first admission.
i preemptions How often it was preempted.
i to_engine Duration from arrival to the queue.
i queued Duration from the queue to its first step.
i prefill Duration from there to its first token.
i time_to_first_token Duration from arrival, or else from the queue, to its first token.
i decode Duration from its first token to its last.
i per_output_token Mean duration of a token after the first.
i preempted Duration without blocks, from each preemption to the step that resumed it.
i model Duration of the model runs that it took part in.
i total Duration from arrival to delivery.
""",
)
EXITS = _table(
    "exits",
    "A way out of schedule() that was taken: why requests that were looked at got no tokens.",
    _WHERE
    + """
i place Its place among the exits of the step, from 0.
s kind Its class, such as `no_blocks`.
s request The request that was looked at; null for none in particular.
s loop `running`, `waiting` or `allocate`; empty where it was inferred.
s function The engine's function.
i line The line in its file; null where it was inferred.
s guard The condition that led there.
b inferred Whether it was inferred from the calls, not marked in the source.
""",
)
PREEMPTIONS = _table(
    "preemptions",
    "A request lost its blocks.",
    _WHERE
    + """
i t When.
i seq The event's number in the engine's process.
s request Who lost them.
s beneficiary Who could grow by that; null if the prefix cache was reset.
i lost Its tokens that had KV.
i tokens Its tokens in all.
i preemptions How often it has been preempted by now.
i resumed_step The step that admitted it again; null if none did.
i hit Its tokens that were still in the prefix cache then.
i recomputed Lost tokens that were not.
i away Duration until that step began.
""",
)
LOOKUPS = _table(
    "lookups",
    "The prefix cache was asked for a request's tokens.",
    _WHERE
    + """
i seq The event's number in the engine's process.
s request For whom.
i hit Tokens found.
i tokens Tokens the request has.
s missed The first hash that was not there; null if the lookup ended for another reason.
s reason That reason.
b admitted Whether the step admitted the request; a head that waits asks again each step.
""",
)
BLOCK_EVENTS = _table(
    "block_events",
    "What happened to one block. `step` is the step it happened in, or else the last before.",
    _WHERE
    + """
i t When.
i seq The event's number in the engine's process; a row for each of its blocks.
s what `taken`, `shared`, `freed`, `unpinned`, `cached`, `evicted`, `copied`, `entered`, `dropped`.
i pool The block's pool.
i block Its number there.
i refs Its reference count after the event.
s request Whose table it entered or left.
i kv_group The KV-cache group of that table or of the hash.
i slot Its place in the table.
s hash The salted hash under which it can be hit.
""",
)
TABLES = {
    one.name: one for one in (STEPS, SHARES, REQUESTS, EXITS, PREEMPTIONS, LOOKUPS, BLOCK_EVENTS)
}

__all__ = ["REQUESTS", "TABLES", "Column", "Table", "Type"]
