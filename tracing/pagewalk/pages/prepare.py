"""Pages -> the files that they need beside themselves, written before MkDocs or Zensical runs.

    python -m pagewalk.pages.prepare walkthroughs

The player as one script, its data of every trace on a page, and the licence of the vLLM that the
pages quote. All lie under `assets/`, which git ignores.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages import payloads
from pagewalk.pages.bundle import bundle, player_folder
from pagewalk.pages.licence import write_licence

PLAYER = Path("assets/player.js")


def prepare(docs: Path) -> None:
    """Write the player and the licence; the payloads are the business of `payloads`.

    An error if the folder, or the player's files, are not there.
    """
    if not docs.is_dir():
        raise PagewalkError(
            "no-pages", f"{plain(docs, 120)} is no folder: name the folder of the pages."
        )
    target = docs / PLAYER
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_small(bundle(player_folder())), encoding="utf-8")
    write_licence(docs)


def _small(script: str) -> str:
    """The script without the blanks that only its authors need: a tenth of it."""
    try:
        from rjsmin import jsmin
    except ImportError:
        raise PagewalkError(
            "no-site", "rjsmin is not installed: `make site` installs what the website needs."
        ) from None
    return str(jsmin(script))


def main(arguments: list[str]) -> int:
    """The command; 2 where something that pages need is missing."""
    try:
        prepare(Path(arguments[0] if arguments else "walkthroughs"))
    except PagewalkError as error:
        sys.stderr.write(f"pagewalk: {error}\n")
        return 2
    return payloads.main(arguments)


__all__ = ["PLAYER", "main", "prepare"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
