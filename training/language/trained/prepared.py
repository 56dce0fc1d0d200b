"""What the language models of suite `text` are trained and evaluated on, computed once for a corpus and kept.

`text`: the training documents as one stream of tokens. `tasks`: another of about as many, of probes mined from the same documents,
each followed by its right option, which alone is a target. The items of the evaluation are mined from held-out documents.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from emergence_stats.errors import CollectError

from ...engines.task import say
from ..items import Item
from . import corpus, tokenizer
from .mined import TASK_LEVELS, Counts, Miner

VERSION = 2  # of the probes and streams: part of every run's config
TRAINING_ITEMS, EVALUATION_ITEMS = 4000, 200  # of each probe and level
_FEWEST = 50
_ARRAYS = ("text", "tasks", "answers", "held_out")
_ROWS, _LENGTH = 64, 65  # of held-out text
_TRAINING, _EVALUATION, _ORDER, _TEXT = range(4)  # streams of draws
_SEED = 20261128


@dataclass(frozen=True)
class Prepared:
    """`text` (n,) tokens; `tasks` (m,) tokens, and `answers` (m,), which of them are targets; `held_out` (rows, tokens) of text;
    `items` of the evaluation by probe and level; `config`: what these are, for manifests.
    """

    text: NDArray[np.int16]
    tasks: NDArray[np.int16]
    answers: NDArray[np.bool_]
    held_out: NDArray[np.int16]
    items: dict[tuple[str, int], list[Item]]
    config: dict[str, object]


def prepared(folder: Path | None = None, sha256: str | None = None) -> Prepared:
    """Of the corpus in a folder, by default the one that is fetched. Raises `CollectError` if its digest is not `sha256`."""
    texts = corpus.load(folder)
    if sha256 is not None and texts.sha256 != sha256:
        raise CollectError(
            f"the texts in {folder or corpus.fetch()} have sha256 {texts.sha256}, and the suite's {sha256}: they were changed. "
            + (
                "Collect again"
                if folder is not None
                else "Remove that folder; they are fetched anew"
            )
        )
    words = hashlib.sha256(tokenizer.FILE.read_bytes()).hexdigest()
    config = {"corpus": texts.sha256, "tokenizer": words, "probes": VERSION}
    key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    file = corpus.cache_folder() / f"prepared-{key}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):  # one process makes it, the others wait
        held = _kept(file)
        if held is None:
            if texts.left_out is not None:
                say(texts.left_out)
            say("mining the probes from the corpus, once; about a minute")
            held = _make(texts)
            _keep(file, held)
    arrays, listed = {name: held[name] for name in _ARRAYS}, json.loads(str(held["items"]))
    items = {
        (name, level): [Item(context, tuple(options), gold) for context, options, gold in some]
        for name, level, some in listed
    }
    return Prepared(**arrays, items=items, config={**config, "data": _digest(arrays, listed)})


def _digest(arrays: Mapping[str, NDArray[Any]], items: Any) -> str:
    """Of all that is trained and evaluated on: the same corpus is to give the same on every machine."""
    digest = hashlib.sha256(json.dumps(items).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _make(texts: corpus.Corpus) -> dict[str, Any]:
    miner = Miner(Counts(texts.training), tokenizer.encode)
    pieces: list[tuple[list[int], int]] = []  # tokens, and how many of them are the context
    listed = []
    for i, (probe, level) in enumerate(TASK_LEVELS):
        some = miner.mine(probe, level, texts.training, TRAINING_ITEMS, _rng(_TRAINING, i))
        pieces += [_tokens(item) for item in some]
        held = miner.mine(probe, level, texts.held_out, EVALUATION_ITEMS, _rng(_EVALUATION, i))
        if len(held) < _FEWEST:
            raise CollectError(
                f"only {len(held)} items of {probe}, level {level}, in the held-out texts, and it takes {_FEWEST}: the corpus is too "
                "small, or no English prose"
            )
        listed.append((probe, level, [(item.context, item.options, item.gold) for item in held]))
    order = _rng(_ORDER).permutation(len(pieces))
    tasks = [token for k in order for token in (*pieces[k][0], 0)]
    answers = [
        i >= pieces[k][1] and i < len(pieces[k][0])
        for k in order
        for i in range(len(pieces[k][0]) + 1)
    ]
    return {
        "text": _stream(texts.training),
        "tasks": np.array(tasks, np.int16),
        "answers": np.array(answers),
        "held_out": _rows(_stream(texts.held_out)),
        "items": json.dumps(listed),
    }


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng([_SEED, *key])


def _tokens(item: Item) -> tuple[list[int], int]:
    context = tokenizer.encode(item.context)
    whole = tokenizer.encode(item.context + item.options[item.gold])
    return whole, len(context)


def _stream(documents: Sequence[corpus.Document]) -> NDArray[np.int16]:
    """The documents one after another, each with the end token after it."""
    return np.array([t for d in documents for t in (*tokenizer.encode(d.text), 0)], np.int16)


def _rows(stream: NDArray[np.int16]) -> NDArray[np.int16]:
    starts = _rng(_TEXT).integers(0, len(stream) - _LENGTH, _ROWS)
    return np.stack([stream[s : s + _LENGTH] for s in starts])


def _kept(file: Path) -> dict[str, Any] | None:
    """What an earlier run has kept, None if that is nothing, or damaged."""
    try:
        with np.load(file) as held:
            return {name: held[name] for name in (*_ARRAYS, "items")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        say(f"warning: {file} cannot be read ({error}), and is made anew")
        return None


def _keep(file: Path, arrays: dict[str, Any]) -> None:
    """Keep it for the next run. Where there is no room for it, that run makes it again."""
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".npz", delete=False) as hidden:
        try:
            np.savez_compressed(hidden, **arrays)
            hidden.flush()
            os.fsync(hidden.fileno())  # or a power cut leaves an empty file of the right name
            os.replace(hidden.name, file)
        except OSError as error:
            Path(hidden.name).unlink(missing_ok=True)
            say(f"warning: the probes cannot be kept in {file} ({error.strerror})")
        except BaseException:
            Path(hidden.name).unlink(missing_ok=True)
            raise
