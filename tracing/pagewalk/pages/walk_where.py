"""A page that is rendered -> where it lies, as far as the tool that builds the site says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.stem import Walk, page_of


def page_path(md: Any) -> str:
    """The page's path without `.md`, from the builder or from its walk comment; else empty."""
    told = _told(md)
    if told:
        return told
    walk = page_of(md).walk
    return walk.at if walk else ""


def check_place(md: Any, walk: Walk) -> None:
    """The walk comment names the page that it is on; only a builder that says so can tell."""
    told = _told(md)
    if told and told != walk.at:
        where = "" if told == "index" else f" at: {told}"
        raise PagewalkError(
            "wrong-stem",
            f"the walk comment says {walk.at} and the page is {plain(told, 120)}: write "
            f"<!-- walk: {walk.stem}{where or ' at: index'} -->.",
        )


def include_file(md: Any, docs: Path, file: Path) -> None:
    """Have the builder copy a file that may have been made after it looked for files.

    MkDocs lists the files first and copies them last; another builder has nothing to be told.
    """
    if "relpath" not in md.treeprocessors:
        return
    links = md.treeprocessors["relpath"]
    files, config = getattr(links, "files", None), getattr(links, "config", None)
    place = file.relative_to(docs).as_posix()
    if files is None or config is None or files.get_file_from_path(place) is not None:
        return
    from mkdocs.structure.files import File

    files.append(File(place, config.docs_dir, config.site_dir, config.use_directory_urls))


def _told(md: Any) -> str:
    """MkDocs keeps the page's path with what makes its links, Zensical with a context."""
    path = None
    if "relpath" in md.treeprocessors:
        path = getattr(getattr(md.treeprocessors["relpath"], "file", None), "src_uri", None)
    elif "rendering_context" in md.preprocessors:
        path = getattr(getattr(md.preprocessors["rendering_context"], "page", None), "path", None)
    known = isinstance(path, str) and path.endswith(".md")
    return path.removesuffix(".md") if known else ""


__all__ = ["check_place", "include_file", "page_path"]
