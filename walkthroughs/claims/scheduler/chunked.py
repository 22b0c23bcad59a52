"""Claims of the page on chunked prefill."""

from pagewalk.views.evidence import EngineRun, Run
from pagewalk.views.step import Step


def _shares(run: EngineRun, step: Step) -> dict[str, int]:
    """Name -> tokens, in the order in which the scheduler visited them."""
    return {run.name(one.request): one.tokens for one in step.scheduled}


def _line(shares: dict[str, int]) -> str:
    return ", ".join(f"{name} {tokens}" for name, tokens in shares.items())


def _chunks(run: EngineRun, name: str, prompt: int) -> list[int]:
    """The tokens of each step that computed a part of the prompt."""
    turns = run.follow(name).turns.values()
    return [one.share.tokens for one in turns if one.share.computed < prompt]


def _is_mid_prompt(run: EngineRun, number: int, request: str) -> bool:
    """Whether tokens of the request are still to be computed after that step's schedule()."""
    row = next(one for one in run.scheduled(number).requests if one.request == request)
    return row.computed < row.tokens


def cut(run: Run) -> dict[str, object]:
    """The chunks are what each step's budget leaves, and add up to the prompt."""
    chunks = _chunks(run, "long", 150)
    turns = list(run.follow("long").turns)[: len(chunks)]
    for number, chunk in zip(turns, chunks, strict=True):
        step = run.step(number)
        before = [one.tokens for one in step.scheduled if one.request == run.id("chat")]
        left = step.budget - sum(before)
        assert chunk == min(left, 150 - sum(chunks[: number - turns[0]]))
    assert sum(chunks) == 150
    assert len(chunks) == 3
    return {
        "chunks": chunks,
        "sum": " + ".join(map(str, chunks)),
        "prompt": 150,
        "first": turns[0],
        "second": turns[1],
        "last": turns[2],
        "budget": run.step(1).budget,
        "rest": run.step(turns[2]).budget - 1 - chunks[2],
    }


def chat_keeps_its_pace(run: Run) -> dict[str, object]:
    """The decoding request gets its token in every step, long prompt or not."""
    turns = run.follow("chat").turns
    steps = list(turns)
    assert steps == list(range(steps[0], steps[-1] + 1))
    assert all(turns[one].share.tokens == 1 for one in steps[1:])
    assert all(step in steps for step in run.follow("long").turns if step <= steps[-1])
    return {"first": steps[1], "last": steps[-1]}


def rest_admits(run: Run) -> dict[str, object]:
    """`last` is admitted in the very step in which the last chunk leaves tokens over."""
    step = run.step(cut(run)["last"])
    shares = _shares(run, step)
    assert list(shares) == ["chat", "long", "last"]
    assert step.used == step.budget
    wait = run.follow("last").waits
    assert [one.reason.kind for one in wait] == ["token_budget"]
    rest = run.step(step.step + 1).share(run.id("last")).tokens
    return {
        "step": step.step,
        "line": _line(shares),
        "gets": shares["last"],
        "rest": rest,
        "next": step.step + 1,
        "prompt": shares["last"] + rest,
        "waited_from": wait[0].first,
        "waited_to": wait[0].last,
    }


def blocks_as_they_go(run: Run) -> dict[str, object]:
    """Blocks come chunk by chunk: the table never covers more than what is computed."""
    sizes = []
    for number in list(run.follow("long").turns)[:3]:
        row = next(o for o in run.scheduled(number).requests if o.request == run.id("long"))
        assert len(row.tables[0]) == -(-row.computed // run.engine.block_sizes[0])
        sizes.append(len(row.tables[0]))
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    return {"sizes": sizes, "size": run.engine.block_sizes[0]}


def one_unfinished_prompt(run: Run) -> dict[str, object]:
    """Without a cap, at most one prompt is unfinished after a step, and it is last in the list."""
    seen = []
    for step in run.steps:
        running = run.scheduled(step.step).running
        unfinished = [one for one in running if _is_mid_prompt(run, step.step, one)]
        assert unfinished in ([], list(running[-1:]))
        seen += [step.step] if unfinished else []
    assert len(seen) >= 3
    return {"steps": seen, "checked": len(run.steps)}


def capped(run: Run) -> dict[str, object]:
    """The cap holds while two requests are known, and is dropped when one is left."""
    engine = run.engines[1]
    cap = engine.engine.setting("long_prefill_token_threshold")
    chunks = _chunks(engine, "capped", 150)
    known = [len(engine.scheduled(one).requests) for one in engine.follow("capped").turns]
    assert [chunk == cap for chunk in chunks] == [many > 1 for many in known[: len(chunks)]]
    assert chunks[-1] > cap
    return {
        "cap": cap,
        "chunks": chunks,
        "small": chunks.count(cap),
        "last": chunks[-1],
        "step": len(chunks),
        "budget": engine.step(1).budget,
        "used": [engine.step(1).used, engine.step(2).used],
        "steps": [1, 2],
    }


def prompt_before_decode(run: Run) -> dict[str, object]:
    """With a cap, a chunk of a prompt is scheduled before a decode that stands behind it."""
    engine = run.engines[1]
    step = engine.step(2)
    shares = _shares(engine, step)
    assert list(shares) == ["capped", "peer"]
    assert shares["peer"] == 1 < shares["capped"]
    assert _is_mid_prompt(engine, 2, engine.id("capped"))
    return {"step": step.step, "line": _line(shares)}


def chunk_preempts_decode(run: Run) -> dict[str, object]:
    """The blocks for a chunk of a prompt are taken from a request that decodes."""
    engine = run.engines[5]
    (lost,) = engine.preemptions
    assert engine.name(lost.request) == "victim"
    assert engine.name(lost.by) == "greedy"
    assert lost.tokens > 20
    assert lost.computed == lost.tokens - 1
    chunk = engine.step(lost.step).share(engine.id("greedy"))
    assert chunk.computed < 150
    assert chunk.tokens > 1
    return {"step": lost.step, "chunk": chunk.tokens, "lost": lost.computed}


def alone(run: Run) -> dict[str, object]:
    """A request that the scheduler knows no other beside is not capped."""
    engine = run.engines[2]
    chunks = _chunks(engine, "alone", 150)
    assert (
        chunks[0] == engine.step(1).budget > engine.engine.setting("long_prefill_token_threshold")
    )
    return {"chunks": chunks}


def capped_by_who_waits(run: Run) -> dict[str, object]:
    """A request that waits is enough: the one in the batch is capped though it runs alone."""
    engine = run.engines[3]
    cap = engine.engine.setting("long_prefill_token_threshold")
    chunks = _chunks(engine, "single", 150)
    assert max(chunks) == cap
    assert len(chunks) > 3
    for number in list(engine.follow("single").turns)[: len(chunks)]:
        assert len(engine.step(number).scheduled) == 1
        assert engine.scheduled(number).queues["waiting"] == (engine.id("queued"),)
    return {"chunks": chunks, "steps": len(chunks), "budget": engine.step(1).budget}


def uncut(run: Run) -> dict[str, object]:
    """With chunking off, a prompt that does not fit waits, and everyone behind it waits too."""
    engine = run.engines[4]
    step = engine.step(1)
    (left,) = [one for one in step.exits if one.kind == "chunked_prefill_off"]
    assert engine.name(left.request) == "second"
    assert _shares(engine, step) == {"first": 40}
    waits = {name: engine.follow(name).waits[0].reason for name in ("second", "tiny")}
    assert waits["tiny"].kind == "behind_head"
    assert waits["second"].kind == "chunked_prefill_off"
    shares = _shares(engine, engine.step(2))
    assert shares == {"first": 1, "second": 40, "tiny": 4}
    return {
        "step": step.step,
        "next": step.step + 1,
        "budget": step.budget,
        "left": step.budget - step.used,
        "prompt": 40,
        "tiny": 4,
        "line": _line(shares),
    }


def cached_is_not_long(run: Run) -> dict[str, object]:
    """The cap looks at the tokens to compute: a long prompt that is mostly cached is not cut."""
    engine = run.engines[6]
    cap = engine.engine.setting("long_prefill_token_threshold")
    turn = next(iter(engine.follow("cached").turns.values()))
    assert len(engine.step(turn.step).scheduled) == 2
    assert turn.length > cap > turn.share.tokens == turn.length - turn.share.computed
    return {
        "cap": cap,
        "prompt": turn.length,
        "hit": turn.share.computed,
        "gets": turn.share.tokens,
        "step": turn.step,
    }
