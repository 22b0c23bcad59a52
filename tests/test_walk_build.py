"""A small site through the real builders: strict, with anchors checked, and with payloads."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from walk_pages import STEM, WALK, claim, docs, fence, put

pytest.importorskip("mkdocs", reason="the extra `site` is not installed")

CONFIG = """site_name: Pages
docs_dir: docs
site_dir: site
theme: {{name: {theme}}}
use_directory_urls: true
exclude_docs: |
  /traces/
  /claims/
  /scenarios/
validation:
  anchors: warn
  links:
    absolute_links: warn
markdown_extensions:
  - admonition
  - attr_list
  - pymdownx.details
  - pymdownx.highlight
  - pymdownx.superfences:
      custom_fences:
"""
FENCE = """        - name: {name}
          class: {name}
          format: !!python/name:pagewalk.pages.{make}
          validator: !!python/name:pagewalk.pages.walk.validate
"""
FORMATS = {
    "claim": "claim_fence.format_claim",
    "claims": "claims_page.format_claims",
    "trace": "trace_fence.format_trace",
    "pagewalk": "output_fence.format_output",
}
PAGE = f"""# The crowd

{WALK}

Who loses? In a [step](#step=2&request=b) the pool is full.

{fence("trace", "step: 2", "caption: The crowd.")}

{claim("loses", says="In step [[who_loses.step]] `b` loses blocks.")}

Back to [the list](../claims.md), [the player](#trace-1) and [the claim](#claim-loses).

{fence("pagewalk", "show TRACE")}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a site's configuration, three pages and a glossary."""
    pages = docs(tmp_path / "docs")
    put(pages, f"{STEM}.md", PAGE)
    put(pages, "index.md", "# Home\n\n<!-- walk: chat at: index -->\n\nA step.\n\n```trace\n```\n")
    put(pages, "claims.md", "# Claims\n\n```claims\n```\n")
    put(pages, "glossary.md", "# Glossary\n\n### pool\nBlocks.\n\n### step\nA turn.\n")
    configure(tmp_path, "mkdocs")
    return tmp_path


def configure(folder: Path, theme: str) -> None:
    """Write mkdocs.yml."""
    fences = "".join(FENCE.format(name=name, make=make) for name, make in FORMATS.items())
    extension = "  - pagewalk.pages.walk:\n      docs: docs\n"
    put(folder, "mkdocs.yml", CONFIG.format(theme=theme) + fences + extension)


def build(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a builder in the folder."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True, text=True
    )


def made(folder: Path, page: str) -> str:
    """A built page."""
    return (folder / "site" / page / "index.html").read_text(encoding="utf-8")


def files(folder: Path) -> dict[str, bytes]:
    """What was built, but for when: MkDocs says so in the map of the site and in its own theme."""
    found = (one for one in folder.rglob("*") if one.is_file() and "sitemap" not in one.name)
    return {
        one.relative_to(folder).as_posix(): re.sub(rb"Build Date UTC.*", b"", one.read_bytes())
        for one in found
    }


class TestMkDocs:
    """`mkdocs build --strict`."""

    def test_strict(self, site: Path) -> None:
        """Every link and anchor is found, and the payloads are there, though just made."""
        done = build(site, "mkdocs", "build", "--strict")
        # Not `-q`: quiet, MkDocs does not count the warnings that strict is about.
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr
        page = made(site, STEM)
        assert 'href="#trace-1"' in page
        assert 'id="trace-1"' in page
        assert 'href="../../glossary/#pool"' in page
        assert 'href="../scheduler/crowd/#claim-loses"' in made(site, "claims")
        assert 'href="glossary/#step"' in made(site, "")
        files = {one.name for one in (site / "site").rglob("*.pgwk")}
        assert files == {"crowd.pgwk", "chat.pgwk"}
        assert not list((site / "site").rglob("*.jsonl"))

    def test_an_anchor_that_is_not_there(self, site: Path) -> None:
        """The check is on: it finds a claim that does not exist."""
        put(site / "docs", "other.md", "# Other\n\n[x](scheduler/crowd.md#claim-gone)\n")
        done = build(site, "mkdocs", "build", "--strict")
        assert done.returncode == 1
        assert "claim-gone" in done.stderr

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (claim("x", by="nobody_ever_loses"), "the claim x fails"),
            ("[[who_loses.gone]]", "the fact who_loses.gone"),
            ("[x](#step=77)", "There is no step 77"),
            (fence("pagewalk", "why TRACE zebra"), "fails: "),
            (fence("trace", "trace: gone"), "no trace gone"),
        ],
    )
    def test_mistakes(self, site: Path, more: str, words: str) -> None:
        """Each fails the build, and the last line says why."""
        put(site / "docs", f"{STEM}.md", f"{PAGE}\n{more}\n")
        done = build(site, "mkdocs", "build", "-q")
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert words in last
        assert STEM in last

    def test_a_comment_that_names_another_page(self, site: Path) -> None:
        """Copied from the page beside it."""
        put(site / "docs", "scheduler/copy.md", f"# Copy\n\n{WALK}\n\nText.\n")
        done = build(site, "mkdocs", "build", "-q")
        assert done.returncode == 1
        said = done.stderr.strip().splitlines()[-1]
        assert "says scheduler/crowd and the page is scheduler/copy" in said
        assert "<!-- walk: scheduler/crowd at: scheduler/copy -->" in said

    def test_all_of_it_in_one_process(self, site: Path) -> None:
        """What `make site` does: the same files, and every warning fails it."""
        apart, both = site / "apart", site / "site"
        assert build(site, "pagewalk.pages.prepare", "docs").returncode == 0
        assert build(site, "mkdocs", "build", "--strict", "-d", str(apart)).returncode == 0
        shutil.rmtree(site / "docs/assets")
        done = build(site, "pagewalk.pages.site", "docs", str(both))
        assert done.returncode == 0, done.stderr
        assert files(both) == files(apart)
        assert {"assets/player.js", "assets/traces/chat.pgwk"} <= files(both).keys()
        put(site / "docs", "other.md", "# Other\n\n[x](scheduler/crowd.md#claim-gone)\n")
        warned = build(site, "pagewalk.pages.site", "docs", str(both))
        assert (warned.returncode, "claim-gone" in warned.stderr) == (1, True)
        put(site / "docs", "other.md", f"# Other\n\n{WALK}\n")
        assert build(site, "pagewalk.pages.site", "docs", str(both)).returncode == 1
        missing = build(site, "pagewalk.pages.site", "none", str(both))
        assert (missing.returncode, "name the folder" in missing.stderr) == (2, True)

    def test_what_the_search_finds(self, site: Path) -> None:
        """Sentences of claims, and neither code nor tables."""
        pytest.importorskip("material", reason="Material for MkDocs is not installed")
        configure(site, "material")
        assert build(site, "mkdocs", "build", "-q").returncode == 0
        index = json.loads((site / "site/search/search_index.json").read_text())
        found = " ".join(one["text"] for one in index["docs"] if one["location"].startswith(STEM))
        assert "loses blocks" in found
        assert "The crowd." in found
        assert "Back to" in found
        for hidden in ("def who_loses", "ENGINE", "preempted_this_step", "why others got none"):
            assert hidden not in found


@pytest.mark.skipif(
    importlib.util.find_spec("zensical") is None, reason="Zensical is not installed"
)
def test_zensical(site: Path) -> None:
    """The same HTML in the same places, payloads too if they are made before."""
    configure(site, "material")
    assert build(site, "pagewalk.pages.payloads", "docs").returncode == 0
    done = build(site, "zensical", "build")
    assert done.returncode == 0, done.stderr
    page = made(site, STEM)
    assert 'id="claim-loses"' in page
    assert 'data-src="assets/traces/scheduler/crowd.pgwk"' in page
    assert 'href="../../glossary/#pool"' in page
    assert 'href="../scheduler/crowd/#claim-loses"' in made(site, "claims")
    assert (site / "site/assets/traces/scheduler/crowd.pgwk").is_file()
    put(site / "docs", f"{STEM}.md", f"{PAGE}\n[[who_loses.gone]]\n")
    assert build(site, "zensical", "build").returncode != 0
