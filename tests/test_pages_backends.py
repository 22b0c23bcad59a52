"""The `backends` fence: what each attention backend says of itself, read in the source."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
import walk_pages
from releases_at_hand import release_params
from walk_pages import docs, every, fence, put, refused, render, text, tree

from pagewalk.errors import PagewalkError
from pagewalk.pages.backend_words import counted, in_words
from pagewalk.pages.backends import ROWS, Answer, Backend, backends, registered
from pagewalk.pages.backends_fence import format_backends
from pagewalk.source.package import Package, open_package

COMMON = ("CPU_ATTN", "FLASH_ATTN", "TRITON_ATTN", "FLASHINFER", "FLEX_ATTENTION")
LATENT = ("CPU_MLA", "TRITON_MLA", "FLASH_ATTN_MLA", "FLASHMLA", "FLASHINFER_MLA", "CUTLASS_MLA")
HOME = "vllm/v1/attention"

ROOT = """
class AttentionBackend:
    supported_dtypes = [torch.float16]
    supported_kv_cache_dtypes = ["auto"]
    forward_includes_kv_cache_update: bool = True
    @staticmethod
    def get_builder_cls(): raise NotImplementedError
    @classmethod
    def get_supported_head_sizes(cls): return []
    @classmethod
    def supports_head_size(cls, size): return size in cls.get_supported_head_sizes()
    @classmethod
    def supports_sink(cls):
        \"\"\"Whether sinks are taken.\"\"\"
        return False
    @classmethod
    def supports_combination(cls): return None

class AttentionMetadataBuilder:
    _cudagraph_support = AttentionCGSupport.NEVER
    @classmethod
    def get_cudagraph_support(cls): return cls._cudagraph_support
"""
ONE = """
from vllm.v1.attention.backend import AttentionBackend, AttentionMetadataBuilder as Builder

class OneBuilder(Builder[Anything]):
    _cudagraph_support: ClassVar = AttentionCGSupport.ALWAYS if fast() else AttentionCGSupport.NEVER

class Between(AttentionBackend):
    supported_dtypes = [torch.bfloat16, torch.float32]

class OneBackend(Between):
    @classmethod
    def supports_head_size(cls, size):
        if size is None:
            return True
        if size % 8:
            return False
        return size <= 256
    @staticmethod
    def get_builder_cls(): return OneBuilder
    @classmethod
    def supports_combination(cls, size):
        if size == 64:
            return "no <b>64</b>"
        if size > 512:
            return "too large"
        return None
"""
REGISTRY = """
class AttentionBackendEnum(Enum):
    ONE = "vllm.v1.attention.backends.one.OneBackend"
    NOWHERE = "vllm.v1.attention.backends.one.NoSuchBackend"
    TAG = ""
"""


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release with one backend."""
    root = tmp_path / "release"
    put(root, "vllm/__init__.py", "")
    put(root, "vllm/_version.py", "__version__ = version = '0.32.0'\n")
    put(root, f"{HOME}/backend.py", ROOT)
    put(root, f"{HOME}/backends/one.py", ONE)
    put(root, f"{HOME}/backends/registry.py", REGISTRY)
    monkeypatch.setenv("PAGEWALK_VLLM", str(root))
    monkeypatch.setitem(walk_pages.FENCES, "backends", format_backends)
    return root


@pytest.fixture
def pages(tmp_path: Path, vllm: Path) -> Path:
    """The folder of the pages."""
    return docs(tmp_path / "docs")


def one(vllm: Path) -> Backend:
    """The release's backend."""
    with open_package(vllm) as package:
        (found,) = backends(package, ["ONE"])
    return found


def answer(backend: Backend, title: str) -> Answer:
    """What a backend answers to the question of that title."""
    return next(said for row, said in zip(ROWS, backend.answers, strict=True) if row.title == title)


class TestSmallRelease:
    """Where an answer is found, and what it is."""

    def test_the_nearest_class_answers(self, vllm: Path) -> None:
        types = answer(one(vllm), "model data types")
        assert (types.words.text, types.owner, types.inherited) == (
            "bfloat16, float32", "Between", True,
        )  # fmt: skip
        assert answer(one(vllm), "attention sinks").owner == "AttentionBackend"

    def test_every_answer_has_its_line(self, vllm: Path) -> None:
        lines = ONE.splitlines()
        types = answer(one(vllm), "model data types")
        assert "torch.bfloat16" in lines[types.line - 1]
        place = f"blob/v0.32.0/{HOME}/backends/one.py#L{types.line}-L{types.line}"
        assert types.url.endswith(place)

    def test_a_list_and_a_condition_beside_it(self, vllm: Path) -> None:
        sizes = answer(one(vllm), "head sizes")
        assert (sizes.words.text, sizes.owner) == ("any", "AttentionBackend")
        assert sizes.more is not None
        assert sizes.more.words.text == "no if size % 8; else size <= 256", "None is left out"

    def test_the_builder_answers_for_graphs(self, vllm: Path) -> None:
        graphs = answer(one(vllm), "CUDA graphs")
        assert (graphs.words.text, graphs.owner) == ("ALWAYS if fast(); else NEVER", "OneBuilder")

    def test_what_nobody_says(self, vllm: Path) -> None:
        assert answer(one(vllm), "cascade").words.text == "gone"
        assert answer(one(vllm), "KV layouts") == Answer(answer(one(vllm), "MLA").words)

    def test_reasons_are_counted(self, vllm: Path) -> None:
        assert answer(one(vllm), "further limits").words.text == "2 conditions"

    def test_classes_that_derive_from_each_other_end(self, vllm: Path) -> None:
        put(
            vllm,
            f"{HOME}/backends/one.py",
            "class OneBackend(Two): pass\nclass Two(OneBackend): pass\n",
        )
        assert {said.words.text for said in one(vllm).answers} == {"not asked", "gone"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def f(): return [16, 32]", "16, 32"),
        ("def f(): return [MultipleOf(16)]", "multiples of 16"),
        ("def f(): return (KVCacheLayout.LBNHC,)", "LBNHC"),
        ("def f(): return attn_type in (AttentionType.DECODER, AttentionType.ENCODER)",
         "decoder, encoder"),
        ("def f():\n if a:\n  return [1]\n x = 2\n return [x]", "depends: 1"),
        ("def f():\n x = look()\n return x", "depends"),
        ("def f():\n def g(): return 5\n x = g()\n return x", "depends"),
        ("def f():\n if (x := look()):\n  return [x]\n return [64]", "depends: 64"),
        ("def f():\n from x import y\n if y: return None\n return super().f()",
         "depends: any, or as inherited"),
        ("x: int | None = None", "any"),
        ("x = True", "yes"),
        ("def f(): return a.b >= c(8, 0)", "a.b >= c(8, 0)"),
    ],
)  # fmt: skip
def test_words(code: str, words: str) -> None:
    assert in_words(ast.parse(code).body[0], "any").text == words


def test_words_of_one_question() -> None:
    (method,) = ast.parse("def f():\n if x: return 'no'\n return None").body
    assert counted(method, "none").text == "1 condition"
    assert counted(ast.parse("def f(): return None").body[0], "none").text == "none"
    assert in_words(ast.parse("def f(): return True").body[0], "any", "all").text == "all"


class TestFence:
    """What a fence becomes."""

    def test_a_row_a_question_a_column_a_backend(self, pages: Path) -> None:
        html = render(pages, fence("backends", "backends: [ONE]", "caption: One of them"))
        rows = list(tree(html).iter("tr"))
        assert [text(cell) for cell in rows[0]] == ["", "ONE"]
        assert len(rows) == 1 + len(ROWS)
        assert "One of them" in text(tree(html))
        (note,) = every(html, "pagewalk-backends-note")
        assert "Read in the source of vLLM 0.32.0." in text(note)

    def test_a_cell_leads_to_its_line(self, pages: Path) -> None:
        html = render(pages, fence("backends", "backends: [ONE]", "rows: [model data types]"))
        (cell,) = tree(html).iter("td")
        (link,) = cell
        assert cell.get("data-head") == "ONE"
        assert text(link) == "bfloat16, float32"
        assert link.get("class") == "pagewalk-inherited"
        assert "/backends/one.py#L" in (link.get("href") or "")
        assert (link.get("title") or "").startswith("Between, ")

    @pytest.mark.parametrize(
        ("lines", "word"),
        [
            (["backends: [TWO]"], "has no attention backend TWO"),
            (["backends: [TAG]"], "has no attention backend TAG"),
            (["backends: [NOWHERE]"], "has no class statement of NOWHERE"),
            (["backends: ONE"], "`backends` is a list of names"),
            (["rows: [MLA]"], "`backends` is a list of names"),
            (["backends: [ONE]", "rows: [head size]"], "did you mean head sizes?"),
            (["backends: [ONE]", "columns: 3"], "no key columns"),
        ],
    )
    def test_mistakes(self, lines: list[str], word: str, pages: Path) -> None:
        assert word in refused(pages, fence("backends", *lines))

    def test_a_release_without_a_registry(self, pages: Path, vllm: Path) -> None:
        (vllm / HOME / "backends" / "registry.py").write_text("")
        assert "has no AttentionBackendEnum" in refused(pages, fence("backends", "backends: [ONE]"))


@pytest.mark.engine
@pytest.mark.parametrize("path", release_params())
def test_every_release_is_read(path: str | None) -> None:
    """Every class statement of the registry answers what every release asks."""
    with open_package(path) as package:
        names = [name for name, target in registered(package).items() if target]
        made = {name for name in names if not is_read(package, name)}
        assert len(made) <= 3, "some are made at run time, of two others"
        assert made.isdisjoint({*COMMON, *LATENT})
        for found in backends(package, [name for name in names if name not in made]):
            assert found.line > 0
            assert answer(found, "model data types").words.text
            assert answer(found, "MLA").words.text in ("yes", "no")


def is_read(package: Package, name: str) -> bool:
    """Whether the backend is a class statement."""
    try:
        backends(package, [name])
    except PagewalkError:
        return False
    return True


@pytest.mark.engine
class TestRealBackends:
    """Beside the classes of the vLLM that is installed, where they can be imported."""

    @pytest.fixture(scope="class")
    def read(self) -> dict[str, Backend]:
        with open_package(None) as package:
            return {found.name: found for found in backends(package, (*COMMON, *LATENT))}

    @pytest.fixture(scope="class")
    def live(self, warm: None) -> dict[str, Any]:
        """Name -> class of those that can be imported without their device."""
        registry = importlib.import_module("vllm.v1.attention.backends.registry")
        found = {}
        for name in (*COMMON, *LATENT):
            try:
                found[name] = registry.AttentionBackendEnum[name].get_class()
            except (ImportError, OSError, RuntimeError, AssertionError, AttributeError):
                continue
        assert {"CPU_ATTN", "CPU_MLA", "FLEX_ATTENTION"} <= set(found)
        return found

    def test_lists_are_those_of_the_class(
        self, read: dict[str, Backend], live: dict[str, Any]
    ) -> None:
        for name, backend in live.items():
            told = [str(one).removeprefix("torch.") for one in backend.supported_dtypes]
            assert answer(read[name], "model data types").words.text == ", ".join(told), name
            kv = answer(read[name], "KV-cache data types").words.text
            assert kv == ", ".join(backend.supported_kv_cache_dtypes), name
            sizes = ", ".join(map(str, backend.get_supported_head_sizes()))
            assert answer(read[name], "head sizes").words.text == (sizes or "any"), name

    def test_flags_are_those_of_the_class(
        self, read: dict[str, Backend], live: dict[str, Any]
    ) -> None:
        asked = {
            "MLA": "is_mla",
            "sliding window": "supports_sliding_window",
            "not causal": "supports_non_causal",
            "batch invariance": "supports_batch_invariance",
        }
        compared = 0
        for name, backend in live.items():
            for title, method in asked.items():
                said = answer(read[name], title).words.text
                assert said == ("yes" if getattr(backend, method)() else "no"), (name, title)
                compared += 1
            writes = answer(read[name], "forward writes KV").words.text
            assert writes == ("yes" if backend.forward_includes_kv_cache_update else "no"), name
        assert compared >= 3 * len(asked)

    def test_owners_are_those_of_the_class(
        self, read: dict[str, Backend], live: dict[str, Any]
    ) -> None:
        """Python finds each name in the class that the table says it is from."""
        for name, backend in live.items():
            for row, said in zip(ROWS, read[name].answers, strict=True):
                if row.of == "backend" and said.owner and len(row.names) == 1:
                    owner = next(c for c in backend.__mro__ if row.names[0] in vars(c))
                    assert owner.__name__ == said.owner, (name, row.title)

    def test_the_cpus(self, read: dict[str, Backend]) -> None:
        cpu = read["CPU_ATTN"]
        assert answer(cpu, "kernel block sizes").words.text == "multiples of 32"
        assert answer(cpu, "KV layouts").words.text == "LBHNC"
        assert answer(cpu, "CUDA graphs").words.text == "NEVER"
        assert {answer(one, "cascade").words.text for one in read.values()} == {"gone"}
