"""What the limits of the pages are measured on: prose found, counted and cut into sentences."""

from __future__ import annotations

import pytest
from page_text import read_page, sentences, typed_numbers, words

PAGE = """\
---
title: 99 not prose
---
# Title with 3 words

<!-- walk: a/b
12 not prose -->

First paragraph of
two lines. Second [sentence](#step=[[x.step]]&request=a)!

| a | 1 |
| --- | --- |
| 2 | `2`, 8 |

```python
x = 4  # not prose
```

1.  An item with `code 5`.
2.  Another.
    Its second line.

??? question "3. How many blocks?"
    Answer: [[x.blocks.0]] of 7.

    ~~~sh
    not prose 8
    ~~~

```claim
id: one
says: "Step [[x.step]] takes 6 blocks."
by: x
```

```trace
caption: Look at 5 blocks.
```

## Run it { #run }
"""


def test_a_page_taken_apart() -> None:
    page = read_page(PAGE)
    assert [title for _, title in page.headings] == ["Title with 3 words", "Run it"]
    assert [one.language for one in page.fences] == ["python", "sh", "claim", "trace"]
    assert page.of("sh")[0].body == "not prose 8"
    assert [text for _, text in page.sentences()] == [
        "First paragraph of two lines.",
        "Second sentence!",
        "An item with code.",
        "Another.",
        "Its second line.",
        "How many blocks?",
        "Answer: fact of 7.",
        "Step fact takes 6 blocks.",
        "Look at 5 blocks.",
    ]
    assert page.words == 5 + 2 + 4 + 1 + 3 + 3 + 4
    assert sorted(page.typed_numbers()) == [(12, "1"), (14, "8"), (25, "7"), (31, "6"), (37, "5")]


def test_an_open_fence_is_no_page() -> None:
    with pytest.raises(AssertionError, match="line 3"):
        read_page("# A\n\n```sh\nno end\n")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Step 12 takes 3, 4.", ["12", "3", "4"]),
        ("Half of it, 50% or 0x1f, at 16-token blocks.", ["50%", "0x1f", "16-token"]),
        ("vLLM 0.32 and v0.32.0, V0, V1 and V2, #27.", []),
        ("Block 0, count 0: 0.", []),
        ("From 0.5 to 10, 0% or 1.03x, 0.90 of it.", ["0.5", "10", "0%", "1.03x"]),
        ("`3` blocks, [[x.n]] steps, [page](#step=4), <https://x.org/5>.", []),
        ("``a `6` b`` and `x\n7`", []),
        ("**9** and [8 blocks](x.md)", ["9", "8"]),
    ],
)
def test_numbers_typed_by_hand(text: str, numbers: list[str]) -> None:
    assert typed_numbers(text) == numbers


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three? four", 4),
        ("A pool, e.g. of blocks, i.e. pages. Two.", 2),
        ('He said "stop." Then "go".', 2),
        ("It is `a. b` and vLLM 0.32.0 here.", 1),
        ("**Invariant: order.** It holds.", 2),
        ("…", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_words() -> None:
    assert words("a `b c` — [[d.e]] [f g](h.md) x.") == ["a", "code", "fact", "f", "g", "x."]
