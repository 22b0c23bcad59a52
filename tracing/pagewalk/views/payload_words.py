"""Words that come again -> their numbers in one list."""

from __future__ import annotations


class Words:
    """Call it with a word to get its number; `listed` holds the words in that order."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self._numbers: dict[str, int] = {}

    def __call__(self, word: str) -> int:
        """Return the word's number, a new one the first time."""
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self.listed)
            self.listed.append(word)
        return number


__all__ = ["Words"]
