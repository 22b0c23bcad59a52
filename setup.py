"""The block player lives in `site/player`; a wheel carries a copy of it as `pagewalk/player`."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithPlayer(build_py):
    """Put the player's modules beside the package's own; an editable install needs no copy."""

    def run(self) -> None:
        """Build the package, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "pagewalk", "player")
        self.mkpath(str(target))
        for file in sorted(Path("site/player").iterdir()):
            self.copy_file(str(file), str(target / file.name))


setup(cmdclass={"build_py": BuildWithPlayer})
