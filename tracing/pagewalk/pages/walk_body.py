"""A fence's body -> its values; every mistake in it is one sentence that fails the build.

SuperFences swallows every exception but its own, and then the build passes: so all are turned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from pymdownx.superfences import SuperFencesException

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.once import looked_once
from pagewalk.pages.stem import Page, page_of

_LONGEST = 8192
_CUT = re.compile(r"^(says|caption): *(?![\"'|>]).*\s#", re.M)
NAME = re.compile(r"[a-z][a-z0-9-]{0,79}")


def validate(
    language: str,
    inputs: Mapping[str, Any],
    options: dict[str, Any],
    attrs: dict[str, Any],
    md: Any,
) -> bool:
    """Refuse options behind the language: all is said in the body."""
    if inputs:
        raise SuperFencesException(
            f"The {language} fence takes no option {plain(next(iter(inputs)))}; say it in the body."
        )
    return True


def fenced(language: str, md: Any, make: Callable[[Page], Element]) -> str:
    """What a fence puts into the text: a mark, where its element will stand in the tree."""
    try:
        page = page_of(md)
        with looked_once(page.seen):
            element = make(page)
    except PagewalkError as error:
        raise SuperFencesException(
            f"{_name(md)}, {language} fence: {' '.join(str(error).split())}"
        ) from None
    except Exception as error:
        raise SuperFencesException(
            f"{_name(md)}, {language} fence: it failed ({type(error).__name__}: "
            f"{plain(error, 200)}); correct the fence, or report it to the project."
        ) from error
    key = f"{language}-{len(page.elements) + 1}"
    page.elements[key] = element
    return f'<div data-pagewalk="{key}"></div>'


def read_body(language: str, body: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """The YAML of a fence; only these keys may be in it."""
    import yaml

    if len(body) > _LONGEST:
        raise bad(f"it is longer than {_LONGEST} characters")
    cut = _CUT.search(body)
    if cut:
        raise bad(f"YAML cuts `{cut[1]}` at its #: put quotes around the text")
    try:
        values = yaml.safe_load(body)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = plain(getattr(error, "problem", "") or type(error).__name__)
        raise bad(
            f"it is no YAML ({problem}); put quotes around text that has a colon or a bracket"
        ) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise bad("its body is lines of `key: value`")
    unknown = [plain(key) for key in values if key not in keys]
    if unknown:
        raise bad(f"it has no key {unknown[0]}; there are {', '.join(keys)}")
    return values


def text_of(values: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """The text of a key; an error where it is missing and has no default."""
    value = values.get(key, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise bad(f"`{key}` is missing or no text")
    return " ".join(value.split())


def name_of(values: Mapping[str, Any], key: str) -> str:
    """An id of the page: small letters, digits and hyphens."""
    value = text_of(values, key)
    if not NAME.fullmatch(value):
        raise bad(f"`{key}` is small letters, digits and hyphens, and begins with a letter")
    return value


def bad(what: str) -> PagewalkError:
    """A mistake in a fence's body."""
    return PagewalkError("bad-fence", f"The fence is wrong: {what}.")


def _name(md: Any) -> str:
    page = getattr(md, "pagewalk", None)
    return page.name if isinstance(page, Page) else "a page"


__all__ = ["bad", "fenced", "name_of", "read_body", "text_of", "validate"]
