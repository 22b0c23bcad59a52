"""Four layers, two of them with a window: who is told what, and how often, in each step.

    python walkthroughs/scenarios/attention/contract.py

The model has layers of two kinds, so it has two KV-cache groups, and one backend serves both.
Prompts are sent as token ids, one per character.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pagewalk.bed.engine import ask, small_engine
from pagewalk.bed.models import make

ENGINE = "gemma3"
PROMPTS = {
    "short": "Who tells you what to do?",
    "long": "The backend is told where you begin and end, and it knows nothing else about you.",
}


def main() -> None:
    """Send both at once, and step until they are done."""
    with tempfile.TemporaryDirectory() as folder:
        model = make("gemma3", Path(folder) / "gemma3")
        with small_engine(str(model), dtype="float32", num_gpu_blocks_override=24) as llm:
            ask(llm, PROMPTS, max_tokens=4)


if __name__ == "__main__":
    main()
