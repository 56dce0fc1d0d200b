"""Items as token numbers, as lm-evaluation-harness encodes them, and in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emergence_stats.errors import CollectError

from .items import Item, Items

Encode = Callable[[str], list[int]]  # text -> tokens, none added


@dataclass(frozen=True)
class Encoded:
    """One item: tokens of its context, and of each option after it. `characters` of each option, without the space before it,
    for scores by length.
    """

    context: list[int]
    options: list[list[int]]
    gold: int
    characters: list[int]


Probes = Mapping[tuple[str, int], Sequence[Encoded]]  # by set and level, in the order of the traces


def first_tokens(tokenizer: Any) -> list[int]:
    """What a tokenizer of transformers puts before any text if it is left to, as Llama's and Gemma's do and Pythia's does not."""
    alone, whole = (tokenizer.encode("a", add_special_tokens=special) for special in (False, True))
    places = [i for i in range(len(whole)) if whole[i : i + len(alone)] == alone]
    return list(whole[: places[0]]) if places else []


def encode_item(
    item: Item, encode: Encode, first: int | None, before: Sequence[int] = ()
) -> Encoded:
    """An option is what the tokens of context and option together have beyond those of the context alone.

    `before`: tokens before every context that is not empty; `first`: the one token of an empty context. Raises `CollectError` for
    an option that adds no token.
    """
    context = encode(item.context) if item.context else []
    options = [encode(item.context + option)[len(context) :] for option in item.options]
    if context:
        context = [*before, *context]
    elif first is not None:
        context = [first]
    else:
        raise CollectError("an item has no context, and the tokenizer no first token")
    if not all(options):
        raise CollectError(f"an option adds no token to {item.context!r}: {item.options}")
    characters = [len(option.lstrip(" ")) for option in item.options]
    return Encoded(context, options, item.gold, characters)


@dataclass(frozen=True)
class Tokens:
    """All items as a tokenizer makes them. `before`: what it puts before any text; `text`: the sentences whose loss is taken,
    context and right option of each; `digest`: sha256 of all of it.
    """

    probes: Probes
    text: list[list[int]]
    before: list[int]
    digest: str

    @classmethod
    def of(cls, items: Items, text: str, tokenizer: Any) -> Tokens:
        """`text`: the set whose sentences the loss is taken of. Raises `CollectError`."""

        def encode(words: str) -> list[int]:
            return list(tokenizer.encode(words, add_special_tokens=False))

        before = first_tokens(tokenizer)
        first = tokenizer.bos_token_id
        first = tokenizer.eos_token_id if first is None else first
        probes: Probes = {
            key: [encode_item(item, encode, first, before) for item in some]
            for key, some in items.items()
        }
        begin = [first] if first is not None else []
        of_text = (item for (name, _), some in items.items() for item in some if name == text)
        rows = [[*begin, *encode(item.context + item.options[item.gold])] for item in of_text]
        said = repr([*probes.items(), rows])
        return cls(probes, rows, before, hashlib.sha256(said.encode()).hexdigest())


@dataclass(frozen=True)
class Batch:
    """Some items, padded on the right, where a causal model does not look.

    `which` (n,): their places in the probe. `contexts` (n, T), `lengths` (n,). Of the options that have more than one token,
    all but the last token: `rows` (m,) the item, `starts` (m, S), `counts` (m,) tokens that are there. `firsts`: (item, token)
    of every option; `rests`: (row of `starts`, position, token), and `options` the option, of all tokens after the first.
    """

    which: Tensor
    contexts: Tensor
    lengths: Tensor
    rows: Tensor
    starts: Tensor
    counts: Tensor
    firsts: Tensor
    rests: Tensor
    options: Tensor

    @classmethod
    def of(cls, probe: Sequence[Encoded], which: Sequence[int], device: torch.device) -> Batch:
        firsts: list[tuple[int, int]] = []
        rests: list[tuple[int, int, int]] = []
        owners: list[int] = []
        rows: list[int] = []
        starts: list[list[int]] = []
        n_options = 0
        for row, number in enumerate(which):
            for option in probe[number].options:
                firsts.append((row, option[0]))
                if len(option) > 1:
                    rests += [(len(rows), t, token) for t, token in enumerate(option[1:])]
                    owners += [n_options] * (len(option) - 1)
                    rows.append(row)
                    starts.append(option[:-1])
                n_options += 1
        contexts = [probe[number].context for number in which]

        def numbers(values: Sequence[object], width: int | None = None) -> Tensor:
            found = torch.tensor(values, dtype=torch.int64)
            return (found if width is None else found.reshape(-1, width)).to(device)

        return cls(
            numbers(which),
            _padded(contexts).to(device),
            numbers([len(c) for c in contexts]),
            numbers(rows),
            _padded(starts).to(device),
            numbers([len(s) for s in starts]),
            numbers(firsts, 2),
            numbers(rests, 3),
            numbers(owners),
        )


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    longest = max((len(row) for row in rows), default=0)
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], dtype=torch.int64)


def batches(probe: Sequence[Encoded], size: int, device: torch.device) -> Iterator[Batch]:
    """The items of a probe, `size` at a time, those of similar length together."""
    order = sorted(range(len(probe)), key=lambda i: (len(probe[i].context), i))
    for start in range(0, len(order), size):
        yield Batch.of(probe, order[start : start + size], device)


def check_tokens(probes: Probes, text: Sequence[Sequence[int]], model: Any) -> None:
    """Raise `CollectError` if a model cannot read the items, or `text`: they are too long, or of tokens that it does not have."""
    config = model.config.get_text_config()
    limits = [getattr(config, name, None) for name in ("max_position_embeddings", "max_seq_len")]
    limit = next((n for n in limits if isinstance(n, int) and n > 0), None)
    longest = {
        f"an item of {name}, level {level},": max(
            len(e.context) + max(map(len, e.options)) - 1 for e in probe
        )
        for (name, level), probe in probes.items()
    }
    longest["a sentence of the text whose loss is taken"] = max(map(len, text), default=1) - 1
    for what, tokens in longest.items():
        if limit is not None and tokens > limit:
            raise CollectError(f"{what} has {tokens} tokens, and the model reads {limit}")
    of_items = (row for probe in probes.values() for e in probe for row in (e.context, *e.options))
    largest = max(max(row) for row in (*of_items, *text) if row)
    known = model.get_input_embeddings().weight.shape[0]
    if largest >= known:
        raise CollectError(
            f"the tokenizer makes token {largest:,} of an item, and the model has {known:,} tokens: it is another model's tokenizer"
        )
