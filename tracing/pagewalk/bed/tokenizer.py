"""Nothing -> a byte-level tokenizer on disk, in which a token's id is its byte."""

from __future__ import annotations

import json
from pathlib import Path

BOS, EOS, PAD = 256, 257, 258
_SPECIALS = {"<s>": BOS, "</s>": EOS, "<pad>": PAD}
_CHAT = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def write_tokenizer(directory: Path) -> None:
    """Write `tokenizer.json` and its configuration; 256 bytes, three specials, no merges."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {character: byte for byte, character in _alphabet().items()} | _SPECIALS
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in _SPECIALS])
    tokenizer.save(str(directory / "tokenizer.json"))
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": False,
        "chat_template": _CHAT,
    }
    text = json.dumps(configuration, indent=2) + "\n"
    (directory / "tokenizer_config.json").write_text(text, encoding="utf-8")


def _alphabet() -> dict[int, str]:
    """Return byte -> its visible character, as byte-level BPE has it.

    Printable bytes stand for themselves, and the others take the code points from 256 on, in
    order: a token must be text without blanks or control characters.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    alphabet = {byte: chr(byte) for byte in printable}
    return alphabet | {byte: chr(256 + place) for place, byte in enumerate(others)}
