"""The repository holds no code of vLLM: pages quote the installed one, when they are built.

Lines are compared without indentation. Those that say nothing of where they are from are left
out: blank ones, comments, imports, brackets, short ones. What is left may agree with vLLM's for
three lines on end, by chance and by common use; four are taken for a copy.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUN = 4
SHORTEST = 8
_NOTHING = re.compile(r"#|//|/?\*|<!--|(?:import|from) [\w.]+|[\W_]*$")
_DATA = {".json", ".jsonl"}

Line = tuple[int, str]


def telling(lines: Iterable[str]) -> list[Line]:
    """The lines that could be told again, without indentation, each with its number."""
    return [
        (number, bare)
        for number, line in enumerate(lines, 1)
        if len(bare := line.strip()) >= SHORTEST and not _NOTHING.match(bare)
    ]


def runs(lines: list[Line]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Every run of consecutive telling lines, and where it begins."""
    texts = [text for _, text in lines]
    for at in range(len(lines) - RUN + 1):
        yield lines[at][0], tuple(texts[at : at + RUN])


def copies(ours: dict[str, Iterable[str]], theirs: Iterable[tuple[str, str]]) -> list[str]:
    """Where lines of ours stand in a file of theirs, run for run; ours and theirs are texts."""
    known = {
        run: f"{name}, line {line}"
        for name, lines in ours.items()
        for line, run in runs(telling(lines))
    }
    starts = {run[0] for run in known}
    found = []
    for name, text in theirs:
        lines = text.splitlines()
        if starts.isdisjoint(line.strip() for line in lines):
            continue
        found += [
            f"{known[run]} is {name}, line {line}: {run[0]}"
            for line, run in runs(telling(lines))
            if run in known
        ]
    return found


def lines_of(path: Path) -> list[str]:
    """The lines of a text file; of data those in its strings. Nothing of a picture."""
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return []
    lines = text.splitlines()
    if path.suffix in _DATA:
        told = lines if path.suffix == ".jsonl" else [text]
        return [line for one in told if one.strip() for line in _strings(json.loads(one))]
    return lines


def _strings(value: object) -> Iterator[str]:
    """Lines of every text in data: the guards that a trace declares, one after the other."""
    if isinstance(value, str):
        yield from value.splitlines()
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def in_repository() -> list[str]:
    """Every file that is committed, or would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return sorted({name for name in listed.decode().split("\0") if name})


def of_vllm() -> Iterator[tuple[str, str]]:
    """Name and text of every Python file of the installed vLLM."""
    spec = importlib.util.find_spec("vllm")
    assert spec is not None
    assert spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0])
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root.parent).as_posix(), path.read_text("utf-8", "replace")


@pytest.mark.engine
def test_no_code_of_vllm() -> None:
    ours = {name: lines_of(ROOT / name) for name in in_repository()}
    assert len(ours) > 200
    theirs = list(of_vllm())
    assert sum(len(text) for _, text in theirs) > 10**6
    assert copies(ours, theirs) == []


THEIRS = """
def allocate(self, request):
    # first the cached ones
    blocks = self.find(request)

    if blocks is None:
        return None
    self.touch(blocks)
    return blocks
"""


class TestTheFinder:
    """It finds what is planted, and only that."""

    @pytest.mark.parametrize(
        "copy",
        [
            THEIRS,
            "".join(f"        {line}\n" for line in THEIRS.splitlines()),
            THEIRS.replace("# first the cached ones", "").replace("\n\n", "\n# of ours\n\n"),
            "```python\n" + "\n".join(THEIRS.splitlines()[3:]) + "\n```",
        ],
        ids=["as it is", "indented", "other comments", "a part, in a page"],
    )
    def test_found(self, copy: str) -> None:
        assert copies({"page.md": copy.splitlines()}, [("vllm/x.py", THEIRS)])

    def test_found_in_data(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text(json.dumps({"e": "X", "text": [{"source": THEIRS}]}) + "\n\n")
        assert copies({"a": lines_of(path)}, [("vllm/x.py", THEIRS)])

    @pytest.mark.engine
    def test_found_in_the_real_vllm(self) -> None:
        """A method of its scheduler, as somebody would paste it."""
        name, text = next(one for one in of_vllm() if one[0].endswith("core/sched/scheduler.py"))
        pasted = text.splitlines()[700:720]
        assert copies({"pasted.py": pasted}, [(name, text)])

    @pytest.mark.parametrize(
        "other",
        [
            THEIRS.replace("if blocks is None:", "if not blocks:"),
            "\n".join(THEIRS.splitlines()[:6]),
            "import os\nimport sys\nfrom pathlib import Path\nimport json\n",
        ],
        ids=["rewritten", "three lines", "imports"],
    )
    def test_not_found(self, other: str) -> None:
        theirs = f"{THEIRS}\nimport os\nimport sys\nfrom pathlib import Path\nimport json\n"
        assert copies({"own.py": other.splitlines()}, [("vllm/x.py", theirs)]) == []

    def test_a_picture_has_no_lines(self, tmp_path: Path) -> None:
        (tmp_path / "x.png").write_bytes(b"\x89PNG\xff\xfe")
        assert lines_of(tmp_path / "x.png") == lines_of(tmp_path / "gone.py") == []
