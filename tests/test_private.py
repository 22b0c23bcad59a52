"""What a user says to an engine, and what it answers, is not in a trace unless asked for."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines.child import Child
from engines.drive import Drive
from lines import bytes_of, lines_of, only, segments_of

from pagewalk.capture import tracing
from pagewalk.trace.read import open_trace

pytestmark = pytest.mark.engine

SECRET = "zanzibar quokka vexed the jolly fox and my password is mxyzptlk hunter seven"
TOKENS = [211, 97, 303, 128, 305, 9, 250, 61, 177, 300, 5, 219] * 6
STOP = "qqxstopword"
SALT = "pepper-in-the-cache"
KEY = "sk-planted-0123456789abcdef"
PERSON = "alice-the-person"


def talk(model: Path, trace: Path, record_tokens: bool) -> dict[str, Any]:
    """A live engine told secrets, by text and by tokens; what it answered and how it hashed."""
    from pagewalk.bed.settings import engine_args

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.update(OPENAI_API_KEY=KEY, HF_TOKEN=KEY)
    sys.argv = ["server.py", "--api-key", KEY, "--system", SECRET]
    with tracing(trace, record_tokens=record_tokens, digest="full", strict=True):
        drive = Drive(engine_args("llama", model))
        drive.add("a", SECRET, 40, stop=[STOP])
        drive.add("b", TOKENS, 40, logit_bias={TOKENS[0]: 1.0}, bad_words=["jolly"])
        drive.engine.add_request(
            "c",
            {"prompt_token_ids": TOKENS[::-1], "cache_salt": SALT},
            _greedy(),
        )
        drive.at(12, lambda: drive.add("d", SECRET, 8))
        drive.at(14, lambda: drive.abort("b"))
        drive.step()
        drive.step()
        requests = list(drive.scheduler.requests.values())
        hashes = [one.hex() for request in requests for one in request.block_hashes]
        drive.run()
    return {"hashes": hashes, "seen": drive.outcome()["requests"]}


def _greedy() -> Any:
    from vllm.sampling_params import SamplingParams

    return SamplingParams(temperature=0.0, ignore_eos=True, max_tokens=40)


class Told:
    """One run: all bytes of its trace, and what must or must not be among them."""

    def __init__(self, trace: Path, answer: dict[str, Any]) -> None:
        self.trace = trace
        self.bytes = bytes_of(trace)
        (segment,) = segments_of(trace)  # though the engine loaded the plugin too
        self.lines = lines_of(segment)
        self.hashes: list[str] = answer["hashes"]
        samples = [sample for samples in answer["seen"].values() for sample in samples]
        self.answers: list[list[int]] = [list(sample[1]) for sample in samples]
        self.texts: list[str] = [sample[3] for sample in samples]

    def holds_tokens(self, tokens: list[int]) -> bool:
        """Whether any six of the tokens stand in a row, in any way of writing a list."""
        for first in range(len(tokens) - 5):
            run = tokens[first : first + 6]
            for way in (", ", ",", " ", "\n"):
                if way.join(map(str, run)).encode() in self.bytes:
                    return True
            if bytes(one % 256 for one in run) in self.bytes:
                return True
        return False

    def holds_text(self, text: str) -> bool:
        """Whether any eight characters in a row are there, plainly or encoded."""
        whole = text.encode()
        pieces = [whole[i : i + 8] for i in range(max(1, len(whole) - 7))]
        encoded = [whole.hex().encode(), base64.b64encode(whole)[:-4]]
        return any(piece in self.bytes for piece in [*pieces, *encoded] if piece)


@pytest.fixture(scope="module")
def told(
    fork: Callable[..., Child],
    models: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Told]:
    """The same talk three times: twice as by default, once with tokens asked for."""
    folder = tmp_path_factory.mktemp("private") / PERSON
    folder.mkdir()
    model = folder / "model"
    model.symlink_to(models("llama"), target_is_directory=True)
    children = {
        name: fork(f"private-{name}", lambda name=name: talk(model, folder / name, name == "asked"))
        for name in ("one", "two", "asked")
    }
    return {name: Told(folder / name, child.result()) for name, child in children.items()}


@pytest.fixture(scope="module")
def private(told: dict[str, Told]) -> Told:
    """A run as by default."""
    return told["one"]


class TestByDefault:
    """Ids and counts only."""

    def test_there_is_something_to_find(self, private: Told) -> None:
        """The run did what it should: hashes, answers, a hit, a preemption-free end."""
        assert len(private.hashes) > 5
        assert sum(map(len, private.answers)) > 60
        assert all(len(text) > 5 for text in private.texts)
        assert only(private.lines, "HashAdded")
        assert any(line.get("hit", 0) for line in only(private.lines, "PrefixLookedUp"))
        assert only(private.lines, "InputProcessed")
        assert only(private.lines, "Detokenized")
        assert only(private.lines, "AbortReceived")

    @pytest.mark.parametrize("tokens", [TOKENS, TOKENS[::-1], list(SECRET.encode())])
    def test_no_prompt_tokens(self, private: Told, tokens: list[int]) -> None:
        assert not private.holds_tokens(tokens)

    def test_no_answers(self, private: Told) -> None:
        assert not any(private.holds_tokens(answer) for answer in private.answers)
        assert not any(private.holds_text(text) for text in private.texts)

    @pytest.mark.parametrize("text", [SECRET, STOP, SALT, KEY, "jolly"])
    def test_no_text(self, private: Told, text: str) -> None:
        assert not private.holds_text(text)

    def test_no_places_of_the_user(self, private: Told) -> None:
        """The model is named by its last part; nothing says where it or anything lies."""
        assert PERSON.encode() not in private.bytes
        for place in {str(Path.home()), sys.prefix, str(Path(__file__).parent), os.getcwd()}:
            assert place.encode() not in private.bytes, place
        (configured,) = only(private.lines, "EngineConfigured")
        assert configured["model"] == "model"

    def test_no_token_fields(self, private: Told) -> None:
        assert not any("token_ids" in line for line in private.lines)
        assert not open_trace(private.trace).header.record_tokens

    def test_ids_are_there(self, private: Told) -> None:
        """They are what the trace is about: no secret may be in them."""
        names = {line["id"].partition("-")[0] for line in only(private.lines, "RequestNamed")}
        assert {"a", "b", "c", "d"} <= names


class TestHashes:
    """A hash of tokens would give them away to whoever tries: they are salted in each run."""

    def test_no_hash_of_the_engine(self, private: Told) -> None:
        for one in private.hashes:
            raw = bytes.fromhex(one)
            for shown in (one, one.upper(), one[:16], one[-16:], str(int(one, 16))):
                assert shown.encode() not in private.bytes
            assert base64.b64encode(raw)[:-4] not in private.bytes
            assert raw not in private.bytes

    def test_another_run_another_salt(self, told: dict[str, Told]) -> None:
        one, two = (
            {line["hash"] for line in only(told[name].lines, "HashAdded")}
            for name in ("one", "two")
        )
        assert len(one) == len(two) > 3
        assert not one & two

    def test_the_same_within_a_run(self, private: Told) -> None:
        """What was hashed and what a dump of the live state says are the same names."""
        added = {line["hash"] for line in only(private.lines, "HashAdded")}
        dumped = {
            key.partition(":")[2]
            for line in only(private.lines, "StateDumped")
            for keys in line["state"]["hashes"].values()
            for key in keys
        }
        assert dumped
        assert dumped <= added


class TestAsked:
    """With `record_tokens` they are there: so the search above does find what is there."""

    def test_tokens_are_there(self, told: dict[str, Told]) -> None:
        asked = told["asked"]
        assert asked.holds_tokens(TOKENS)
        assert asked.holds_tokens(list(SECRET.encode()))
        prompts = [line["token_ids"] for line in only(asked.lines, "InputProcessed")]
        assert TOKENS in prompts
        assert TOKENS[::-1] in prompts
        assert open_trace(asked.trace).header.record_tokens

    def test_answers_are_there(self, told: dict[str, Told]) -> None:
        asked = told["asked"]
        longest = max(asked.answers, key=len)
        updates = only(asked.lines, "StepUpdated")
        sampled = [token for line in updates for row in line.get("token_ids", ()) for token in row]
        assert len(sampled) >= sum(map(len, asked.answers))
        assert set(longest) <= set(sampled)

    def test_text_is_not_even_then(self, told: dict[str, Told]) -> None:
        asked = told["asked"]
        for text in (SECRET, STOP, SALT, KEY, *asked.texts):
            assert not asked.holds_text(text)


class TestScheduler:
    """The same of a scheduler alone, where a token may be any number."""

    @pytest.mark.parametrize("record_tokens", [False, True])
    def test_distinctive_ids(
        self, record_tokens: bool, fork: Callable[..., Child], tmp_path: Path
    ) -> None:
        def run() -> None:
            from pagewalk.bed.scheduler import SchedulerBed

            with tracing(tmp_path / "trace", record_tokens=record_tokens, digest="full"):
                bed = SchedulerBed(num_blocks=9, sampler=lambda _, place: 31_500 + place)
                for name in "abc":
                    bed.add(name, range(31_337, 31_437), max_tokens=9, cache_salt=SALT)
                bed.run()

        fork(f"scheduler-{record_tokens}", run).result()
        written = bytes_of(tmp_path / "trace")
        assert only(lines_of(segments_of(tmp_path / "trace")[0]), "HashAdded")
        for shown in (b"[31337", b"31337,31338", b"31337, 31338", SALT.encode()):
            assert shown not in written
        assert (b"[31600]" in written) == record_tokens


class TestModelName:
    """A hub name is public; a path is not."""

    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            ("org/model-7b", "org/model-7b"),
            ("model", "model"),
            ("/home/alice/models/mine.gguf", "mine.gguf"),
            ("/home/alice/gone/", "gone"),
            ("~/models/mine", "mine"),
            ("./models/mine", "mine"),
            ("s3://bucket-of-alice/models/mine", "mine"),
        ],
    )
    def test_shown(self, given: str, shown: str) -> None:
        from pagewalk.probes.steps import _model_name

        assert _model_name(given) == shown

    def test_a_directory_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from pagewalk.probes.steps import _model_name

        monkeypatch.chdir(tmp_path)
        (tmp_path / "alice" / "mine").mkdir(parents=True)
        assert _model_name("alice/mine") == "mine"
