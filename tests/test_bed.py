"""The engine bed: models that are the same every time, and a scheduler stepped by hand."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pagewalk.bed import models, settings, tokenizer, weights
from pagewalk.bed.scheduler import SchedulerBed, sample_by_position

ROOT = Path(__file__).parent.parent
needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
needs_writers = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("numpy", "safetensors", "tokenizers")),
    reason="numpy, safetensors or tokenizers is not installed",
)

GROUPS = ("full", "swa", "chunked_local", "hybrid", "hybrid_sizes", "mamba", "mamba_align")


class TestSettings:
    """Arguments and environment of a bed's engine."""

    def test_environment_is_offline_and_silent(self) -> None:
        """No process of a bed fetches or reports anything."""
        environment = settings.environment()
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "VLLM_NO_USAGE_STATS"):
            assert environment[name] == "1"

    def test_caller_wins_over_the_bed(self) -> None:
        """An argument given by the caller replaces the bed's, and None leaves it to vLLM."""
        chosen = settings.engine_args("llama", "somewhere", block_size=16, seed=None)
        assert chosen["block_size"] == 16
        assert "seed" not in chosen
        assert chosen["model"] == "somewhere"

    def test_environment_comes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A temporary change leaves set and unset variables as they were."""
        monkeypatch.setenv("PAGEWALK_BED_SET", "before")
        monkeypatch.delenv("PAGEWALK_BED_UNSET", raising=False)
        with settings.temporary_environment(PAGEWALK_BED_SET=None, PAGEWALK_BED_UNSET="now"):
            assert "PAGEWALK_BED_SET" not in os.environ
            assert os.environ["PAGEWALK_BED_UNSET"] == "now"
        assert os.environ["PAGEWALK_BED_SET"] == "before"
        assert "PAGEWALK_BED_UNSET" not in os.environ


@needs_writers
class TestModels:
    """Tiny models on disk."""

    @pytest.mark.parametrize("kind", sorted(models.CONFIGS))
    def test_same_bytes_every_time(self, kind: str, tmp_path: Path) -> None:
        """Two models of one kind and seed differ in no byte."""
        one, other = models.make(kind, tmp_path / "one"), models.make(kind, tmp_path / "other")
        assert _contents(one) == _contents(other)

    def test_seed_changes_the_weights(self, tmp_path: Path) -> None:
        """Another seed gives other numbers under the same names."""
        one = models.make("llama", tmp_path / "one")
        other = models.make("llama", tmp_path / "other", seed=1)
        name = "model.safetensors"
        assert (one / name).read_bytes() != (other / name).read_bytes()

    def test_finished_model_is_left_alone(self, tmp_path: Path) -> None:
        """Making a model again writes nothing."""
        path = models.make("llama", tmp_path) / "model.safetensors"
        before = path.stat().st_mtime_ns
        models.make("llama", tmp_path)
        assert path.stat().st_mtime_ns == before

    def test_unfinished_model_is_made_again(self, tmp_path: Path) -> None:
        """A model whose making was cut short has no stamp, and is written in full."""
        whole = _contents(models.make("llama", tmp_path))
        (tmp_path / ".bed").unlink()
        (tmp_path / "model.safetensors").write_bytes(b"half")
        assert _contents(models.make("llama", tmp_path)) == whole

    def test_token_is_its_byte(self, tmp_path: Path) -> None:
        """Every byte is one token with the byte as its id, and text survives the round trip."""
        from tokenizers import Tokenizer

        tokenizer.write_tokenizer(tmp_path)
        read = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        text = "A fox, grüne Trauben \t\n and 狐"
        ids = read.encode(text).ids
        assert ids == list(text.encode())
        assert read.decode(ids) == text
        assert read.token_to_id("</s>") == tokenizer.EOS

    def test_only_letters_are_spoken(self, tmp_path: Path) -> None:
        """The output rows of all other tokens are zero, the end of the sequence among them."""
        from safetensors.numpy import load_file

        path = models.make("llama", tmp_path) / "model.safetensors"
        rows = load_file(path)["lm_head.weight"].any(axis=1)
        spoken = {chr(token) for token in range(256) if rows[token]}
        assert spoken == set(weights._SPOKEN.decode())
        assert not rows[tokenizer.EOS]


@pytest.mark.engine
@needs_vllm
class TestSchedulerBed:
    """The real scheduler, driven by hand."""

    @pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
    @pytest.mark.parametrize("groups", GROUPS)
    def test_crowd_ends_with_its_tokens(self, groups: str, asynchronous: bool) -> None:
        """Each request gets the token of each position, and the pool gets its blocks back."""
        bed = SchedulerBed(groups, num_blocks=30, async_scheduling=asynchronous)
        prompts = _crowd(bed)
        assert bed.run() < 2_000
        for request_id, prompt in prompts.items():
            assert bed.outputs[request_id] == _expected(request_id, len(prompt), 12)
        assert _free_blocks(bed) == 29

    def test_drafts_do_not_change_tokens(self) -> None:
        """Speculative decoding, partly rejected, gives the tokens in fewer steps."""
        plain, drafting = SchedulerBed(), SchedulerBed(num_spec_tokens=3)
        for bed in (plain, drafting):
            bed.add("a", range(40), max_tokens=30)
        assert drafting.run() < plain.run()
        assert drafting.outputs == plain.outputs == {"a": _expected("a", 40, 30)}

    def test_small_pool_preempts_and_resumes(self) -> None:
        """Two requests that fit only apart: one is preempted, and both end whole."""
        bed = SchedulerBed(num_blocks=12, max_num_seqs=2)
        for name in "ab":
            bed.add(name, (ord(name) for _ in range(60)), max_tokens=60)
        preempted: set[str] = set()
        while bed.busy:
            preempted |= set(_scheduled(bed.step()).preempted_req_ids or ())
        assert preempted == {"b"}
        assert bed.outputs["b"] == _expected("b", 60, 60)

    def test_second_of_a_kind_hits_the_prefix(self) -> None:
        """A request with known blocks at its start is scheduled for the rest alone."""
        bed = SchedulerBed(block_size=16)
        bed.add("first", range(50), max_tokens=2)
        bed.run()
        bed.add("second", range(50), max_tokens=2)
        assert _scheduled(bed.step()).num_scheduled_tokens == {"second": 50 - 48}

    def test_reset_forgets_the_prefix(self) -> None:
        """After a reset the same prompt is computed in full."""
        bed = SchedulerBed(block_size=16)
        bed.add("first", range(50), max_tokens=2)
        bed.run()
        assert bed.reset_prefix_cache()
        bed.add("second", range(50), max_tokens=2)
        assert _scheduled(bed.step()).num_scheduled_tokens == {"second": 50}

    def test_budget_cuts_prompts_into_chunks(self) -> None:
        """A long prompt takes the whole budget step by step, and samples at its end."""
        bed = SchedulerBed(max_num_batched_tokens=32)
        bed.add("long", range(70), max_tokens=1)
        steps = [bed.step() for _ in range(3)]
        assert [_scheduled(step).total_num_scheduled_tokens for step in steps] == [32, 32, 6]
        assert [len(step.outputs) for step in steps] == [0, 0, 1]

    def test_two_batches_are_in_flight(self) -> None:
        """With asynchronous scheduling the first step has no output yet."""
        bed = SchedulerBed(async_scheduling=True)
        bed.add("a", range(10), max_tokens=4)
        assert bed.step().outputs == ()
        assert [out.new_token_ids for out in bed.step().outputs] == [_expected("a", 10, 1)]

    @pytest.mark.parametrize("in_flight", [False, True], ids=["between", "in-flight"])
    def test_abort_ends_a_request(self, in_flight: bool) -> None:
        """An aborted request leaves, at once or before the next update, and blocks come back."""
        bed = SchedulerBed(num_blocks=20)
        bed.add("a", range(30), max_tokens=50)
        bed.add("b", range(100, 130), max_tokens=5)
        bed.step()
        bed.abort("a", in_flight=in_flight)
        assert ("a" in bed.scheduler.requests) is in_flight
        bed.run()
        assert len(bed.outputs["a"]) <= 2
        assert bed.outputs["b"] == _expected("b", 30, 5)
        assert _free_blocks(bed) == 19

    def test_priority_goes_first(self) -> None:
        """With one place, the request of lower priority value is admitted before older ones."""
        bed = SchedulerBed(policy="priority", max_num_seqs=1)
        bed.add("patient", range(10), max_tokens=1, priority=5)
        bed.add("urgent", range(10), max_tokens=1, priority=0)
        assert list(_scheduled(bed.step()).num_scheduled_tokens) == ["urgent"]

    def test_one_adapter_at_a_time(self) -> None:
        """A request with a second adapter waits while `max_loras` is one."""
        bed = SchedulerBed(max_loras=1)
        bed.add("a", range(10), max_tokens=2, lora=1)
        bed.add("b", range(10), max_tokens=2, lora=2)
        assert list(_scheduled(bed.step()).num_scheduled_tokens) == ["a"]

    def test_stop_token_ends_a_request(self) -> None:
        """A sampled stop token is the last one."""
        bed = SchedulerBed()
        stop = sample_by_position("a", 12)
        bed.add("a", range(10), max_tokens=20, stop_token_ids=[stop])
        bed.run()
        assert bed.outputs["a"][-1] == stop
        assert len(bed.outputs["a"]) <= 3

    def test_same_requests_same_run(self) -> None:
        """Two beds fed alike schedule alike, step by step."""
        histories = []
        for _ in range(2):
            bed = SchedulerBed("hybrid", num_blocks=30, async_scheduling=True)
            _crowd(bed)
            history: list[Any] = []
            while bed.busy:
                scheduled = bed.step().scheduled
                history.append(scheduled and scheduled.num_scheduled_tokens)
            histories.append(history)
        assert histories[0] == histories[1]


class TestScenario:
    """The demo scenario can be read without vLLM and tells a story of the right size."""

    def test_requests_fit_the_engine(self) -> None:
        """Ids are unique, and no request is longer than the engine allows."""
        demo = runpy.run_path(str(ROOT / "walkthroughs" / "scenarios" / "demo.py"))
        asks = (*demo["CROWD"], *demo["LATECOMERS"])
        assert len({ask.id for ask in asks}) == len(asks)
        assert all(len(ask.prompt.encode()) + ask.max_tokens <= 256 for ask in asks)


@pytest.mark.slow
@pytest.mark.engine
@needs_vllm
class TestScripts:
    """The runnable scripts, each on the engine it starts without arguments."""

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ("trace_request.py", r"^step \d+ +is admitted: \d+ tokens"),
            ("dump_block_tables.py", r"\[1\* 2\* 3"),
            ("worker_batch.py", r"slots 220, by hand\n(.*\n)*.*, 0 steps differ"),
            ("tensor_parallel.py", r"rank 1 .*slots 220\n(.*\n)*rank 1: .*, 0 steps differ"),
            ("attention_metadata.py", r"query_start_loc +38.*seq 25\n(.*\n)*.*, 0 steps differ"),
            ("attention_backends.py", r"gets CPUAttentionBackend\n(.*\n)*.*validates nothing"),
            ("watch_preemptions.py", r"is back: 96 of its 128 tokens were still cached"),
            ("prefix_cache.py", r"^same-rules +64 of 97 tokens hit"),
        ],
    )
    def test_says_what_happened(self, script: str, said: str, tmp_path: Path) -> None:
        """A script ends well, and its trace is where it says."""
        out = tmp_path / "trace"
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / script), "--out", str(out)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert re.search(said, done.stdout, re.MULTILINE), done.stdout
        assert str(out) in done.stdout
        assert (out / "header.json").is_file()

    def test_another_device_is_not_judged(self, tmp_path: Path) -> None:
        """What this machine cannot know is said, and not guessed."""
        script = ROOT / "scripts" / "attention_backends.py"
        done = subprocess.run(
            [sys.executable, str(script), "--device", "tpu", "--out", str(tmp_path / "trace")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Nothing can be said of tpu" in done.stdout

    def test_a_full_directory_is_one_sentence(self, tmp_path: Path) -> None:
        """Nothing is written over, and no traceback is shown."""
        (tmp_path / "mine").touch()
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "trace_request.py"), "--out", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr == (
            f"The trace directory {tmp_path} is not empty: name a new one with --out.\n"
        )
        assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def _crowd(bed: SchedulerBed) -> dict[str, list[int]]:
    """Add twelve requests, of which neighbours share a prefix; return their prompts."""
    prompts = {}
    for number in range(12):
        shared = list(range(64))[: 16 * (number % 5)]
        prompts[f"r{number}"] = shared + [100 + number] * (5 + 7 * number)
    for request_id, prompt in prompts.items():
        bed.add(request_id, prompt, max_tokens=12)
    return prompts


def _expected(request_id: str, prompt_length: int, count: int) -> list[int]:
    return [sample_by_position(request_id, prompt_length + place) for place in range(count)]


def _scheduled(step: Any) -> Any:
    assert step.scheduled is not None
    return step.scheduled


def _free_blocks(bed: SchedulerBed) -> int:
    return bed.scheduler.kv_cache_manager.block_pool.get_num_free_blocks()


def _contents(directory: Path) -> dict[str, bytes]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}
