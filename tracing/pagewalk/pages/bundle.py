"""The player's ES modules -> one classic script, which works from `file://` and under a hash.

It knows just the forms that the player uses, and refuses every other one by name:

    import { a, b as c } from "./other.js";      one after another, at the start of lines
    export function f   export async function f   export class C   export const x = 1;
    export { a, b as c };

Each module becomes a function that is called once, in an order in which each one finds what it
imports. Comments that fill lines, and indentation, are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pagewalk.errors import PagewalkError

_NAMES = r"\{\s*(?P<names>[\w$\s,]*?)\s*\}"
_IMPORT = re.compile(rf'^import\s*{_NAMES}\s*from\s*"\./(?P<file>[\w-]+\.js)"\s*;[ \t]*$', re.M)
_DECLARED = re.compile(
    r"^export\s+(?P<rest>(?:async\s+function\*?|function\*?|class|const)\s+(?P<name>[\w$]+))", re.M
)
_LISTED = re.compile(rf"^export\s*{_NAMES}\s*;[ \t]*$", re.M)
_BLOCK_COMMENT = re.compile(r"^[ \t]*/\*\*?(?:[^*]|\*(?!/))*\*/[ \t]*$", re.M)
# What would silently mean something else inside a function, or end the script element.
_FORBIDDEN = (
    (re.compile(r"^[ \t]*import\b.*", re.M), "an import of another form"),
    (re.compile(r"^[ \t]*export\b.*", re.M), "an export of another form"),
    (re.compile(r"\bimport\s*\(.*"), "a dynamic import"),
    (re.compile(r"\bimport\s*\.\s*meta\b.*"), "import.meta"),
    (re.compile(r"^await\b.*", re.M), "an await outside a function"),
    (re.compile(r"</script.*", re.I), "the end of a script element"),
    (re.compile(r"<!--.*"), "the start of an HTML comment"),
)


@dataclass(slots=True)
class _Module:
    name: str
    imports: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    exports: dict[str, str] = field(default_factory=dict)
    body: str = ""


def player_folder() -> Path:
    """Where the player's modules lie: in a checkout, or inside the installed package.

    An error with a next step where they lie in neither.
    """
    package = Path(__file__).resolve().parents[1]
    for place in (package.parents[1] / "site" / "player", package / "player"):
        if (place / "element.js").is_file():
            return place
    raise PagewalkError(
        "no-player",
        "The files of the player are not in this installation of pagewalk: install it again, or "
        "run it from a checkout.",
    )


def bundle(folder: Path, entry: str = "element.js") -> str:
    """The script that does what `entry` does as a module.

    An error names the module and the line that this bundler does not understand.
    """
    modules: dict[str, _Module] = {}
    _collect(folder, entry, modules, ())
    # A dict keeps its order: what is imported was finished first.
    numbers = {name: at for at, name in enumerate(modules)}
    parts = [_written(module, modules, numbers) for module in modules.values()]
    return "(() => {\n" + '"use strict";\n' + "".join(parts) + "})();\n"


def _collect(folder: Path, name: str, modules: dict[str, _Module], above: tuple[str, ...]) -> None:
    if name in modules:
        return
    if name in above:
        circle = " -> ".join([*above[above.index(name) :], name])
        raise PagewalkError("module-circle", f"Modules import each other in a circle: {circle}.")
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        by = f", which {above[-1]} imports" if above else ""
        raise PagewalkError("no-module", f"The module {name}{by} cannot be read.") from error
    module = _parse(name, text)
    for file, _ in module.imports:
        _collect(folder, file, modules, (*above, name))
    modules[name] = module


def _parse(name: str, text: str) -> _Module:
    module = _Module(name)
    text = _BLOCK_COMMENT.sub("", text)
    text = re.sub(r"^[ \t]*//.*$", "", text, flags=re.M)

    def imported(found: re.Match[str]) -> str:
        module.imports.append((found["file"], _pairs(found["names"])))
        return ""

    def declared(found: re.Match[str]) -> str:
        module.exports[found["name"]] = found["name"]
        return found["rest"]

    def listed(found: re.Match[str]) -> str:
        module.exports |= {given: own for own, given in _pairs(found["names"]).items()}
        return ""

    text = _IMPORT.sub(imported, text)
    text = _DECLARED.sub(declared, text)
    text = _LISTED.sub(listed, text)
    for pattern, what in _FORBIDDEN:
        found = pattern.search(text)
        if found:
            line = " ".join(found[0].split())[:60]
            raise PagewalkError(
                "module-form", f"The bundler does not understand {what} in {name}: {line}"
            )
    module.body = re.sub(r"\n\s*", "\n", text).strip()
    return module


def _pairs(names: str) -> dict[str, str]:
    """`a, b as c` -> {"a": "a", "b": "c"}."""
    found: dict[str, str] = {}
    for one in filter(None, (part.strip() for part in names.split(","))):
        own, _, given = one.partition(" as ")
        found[own.strip()] = (given or own).strip()
    return found


def _written(module: _Module, modules: dict[str, _Module], numbers: dict[str, int]) -> str:
    lines = []
    for file, names in module.imports:
        missing = sorted(set(names) - set(modules[file].exports))
        if missing:
            raise PagewalkError(
                "no-export", f"{module.name} imports {missing[0]}, which {file} does not export."
            )
        taken = ", ".join(one if one == own else f"{one}: {own}" for one, own in names.items())
        lines.append(f"const {{ {taken} }} = m{numbers[file]};\n")
    given = ", ".join(one if one == own else f"{one}: {own}" for one, own in module.exports.items())
    return (
        f"const m{numbers[module.name]} = (() => {{\n{''.join(lines)}{module.body}\n"
        f"return {{ {given} }};\n}})();\n"
    )


__all__ = ["bundle", "player_folder"]
