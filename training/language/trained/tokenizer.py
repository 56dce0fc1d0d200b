"""Byte-level pairs of the default corpus: 1,024 tokens, in a file beside this module.

Made by ``python -m emergence_training.language.trained.tokenizer``, from the training documents alone. Other corpora are read with the
same tokens, which any text has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = Path(__file__).with_name("tokenizer.json")
SIZE = 1024
END = "<|endoftext|>"  # token 0, between documents


@cache
def shipped() -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(FILE))


def encode(text: str) -> list[int]:
    """Tokens of a text, none added."""
    tokens: list[int] = shipped().encode(text).ids
    return tokens


def trained(texts: Iterable[str], size: int = SIZE) -> Tokenizer:
    """A tokenizer of `size` tokens, of which the first is `END` and 256 are the bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(texts, trainer)
    return found


if __name__ == "__main__":
    from .corpus import load

    trained(document.text for document in load().training).save(str(FILE))
    sys.stdout.write(f"{FILE}\n")
