"""Pages -> the built website: what they need beside themselves is made, then MkDocs runs.

    python -m pagewalk.pages.site walkthroughs build/site

One process does both, so that each trace is replayed once: the `trace` fences write the player's
data themselves, and MkDocs copies it last. What it warns of fails the build.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from pagewalk.errors import PagewalkError
from pagewalk.pages.prepare import prepare


def main(arguments: list[str]) -> int:
    """The command; 2 where something that pages need is missing, else MkDocs ends the process."""
    docs = arguments[0] if arguments else "walkthroughs"
    target = arguments[1] if len(arguments) > 1 else "build/site"
    try:
        prepare(Path(docs))
    except PagewalkError as error:
        sys.stderr.write(f"pagewalk: {error}\n")
        return 2
    # Trees and replays are kept until the end, which is near: to look for what could be freed
    # meanwhile, and once more at the end, would be a quarter of the work.
    gc.disable()
    try:
        from mkdocs.__main__ import cli

        cli.main(["build", "--strict", "--site-dir", target], prog_name="mkdocs")
    finally:
        gc.freeze()
    return 0


__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
