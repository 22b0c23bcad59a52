"""What is made before the site is built: the player, the licence, and code with fewer elements."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from pagewalk.pages.bundle import bundle, player_folder
from pagewalk.pages.licence import PLACE, licence, write_licence
from pagewalk.pages.prepare import PLAYER, main
from pagewalk.pages.thin import thin
from pagewalk.source.package import VLLM

TERMS = "Apache License\nVersion 2.0\n"
METADATA = "vllm-0.32.0.dist-info"


def unpacked(root: Path, place: str) -> Path:
    """A directory as a wheel is unpacked into it, with a licence in one of its places."""
    (root / "vllm").mkdir(parents=True)
    (root / METADATA / place).parent.mkdir(parents=True)
    (root / METADATA / place).write_text(TERMS)
    (root / "vllm_other-1.dist-info").mkdir()
    (root / "vllm_other-1.dist-info" / "NOTICE").write_text("not this")
    return root


@pytest.mark.parametrize("place", ["LICENSE", "licenses/LICENSE", "licenses/LICENSE.txt"])
def test_the_licence_of_an_unpacked_wheel_is_found(tmp_path: Path, place: str) -> None:
    root = unpacked(tmp_path, place)
    assert licence(root) == TERMS
    assert licence(root / "vllm") == TERMS


def test_the_licence_inside_a_wheel_is_found(tmp_path: Path) -> None:
    wheel = tmp_path / "vllm-0.32.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vllm/licenses/LICENSE", "not this")
        archive.writestr(f"{METADATA}/licenses/LICENSE", TERMS)
    assert licence(wheel) == TERMS


def test_without_a_licence_the_site_says_where_it_is_found(tmp_path: Path) -> None:
    (tmp_path / "vllm").mkdir()
    assert "https://www.apache.org/licenses/LICENSE-2.0" in licence(tmp_path)


def test_the_site_gets_the_licence_of_what_it_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VLLM, str(unpacked(tmp_path / "wheel", "LICENSE")))
    assert write_licence(tmp_path) == tmp_path / PLACE
    assert (tmp_path / PLACE).read_text() == TERMS


def test_the_command_writes_the_player(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    script, whole = (tmp_path / PLAYER).read_text(encoding="utf-8"), bundle(player_folder())
    assert len(script) < 0.95 * len(whole)
    # Blanks and comments alone are left out: no word is new, and all are in their order.
    words = iter(re.findall(r"\w+", whole))
    assert all(word in words for word in re.findall(r"\w+", script))
    assert "0 payloads" in capsys.readouterr().out


def test_without_pages_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "name the folder of the pages" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_what_has_a_colour_keeps_its_element() -> None:
    html = '<span class="k">if</span> <span class="n">a</span><span class="p">:</span>'
    assert thin(html) == '<span class="k">if</span> a:'
    nested = '<span id="l"><span class="nb">len</span><span class="c1"># no</span></span>'
    assert thin(nested) == '<span id="l">len<span class="c1"># no</span></span>'
