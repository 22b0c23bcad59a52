"""Two requests grow side by side in thirteen blocks; a third begins with the first one's words.

    python walkthroughs/scenarios/block_manager/index.py [--model DIRECTORY]

`fox` and `crow` arrive together and take blocks in turns as they grow. `crow` finishes first and
gives its blocks back; then `frog` comes, whose first 32 tokens are those of `fox`. Prompts are
token ids, one per character, so the story has the same size with every model.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
OPENING = "Once upon a time there lived a f"  # 32 characters: one block
PROMPTS = {
    "fox": OPENING + "ox who wanted some grapes.",
    "crow": "A crow sat in a tree with cheese in her beak, "
    "and a fox stood under it and praised her voice.",
    "frog": OPENING + "rog who wished to be an ox.",
}


def main() -> None:
    """Send two, wait until one of them is done, send the third."""
    with small_engine(model_option(__doc__), max_num_batched_tokens=160) as llm:
        engine = llm.llm_engine
        send(engine, "fox", PROMPTS["fox"], max_tokens=28)
        send(engine, "crow", PROMPTS["crow"], max_tokens=12)
        finished: list[str] = []
        while engine.has_unfinished_requests():
            done = [output.request_id for output in engine.step() if output.finished]
            if "crow" in done:
                send(engine, "frog", PROMPTS["frog"], max_tokens=14)
            finished += done
    print("finished in this order:", *finished)


if __name__ == "__main__":
    main()
