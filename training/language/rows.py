"""Items read in rows of context and option, each option in its own: for models whose options cannot go on from one reading of their
context. Rows of one length are read together and nothing is padded, so that nothing is asked of a model but what it does in any use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emergence_stats.errors import CollectError

from .encoding import Batch, Encoded, Probes, batches
from .scoring import READING_ERRORS, NotSharedError, Reader, Scores, pooled, some_of

_SCORES = (
    2**26
)  # scores in memory at a time: the model gives those of the whole vocabulary at every place


def reader_of(model: Any, probes: Probes, device: torch.device) -> Reader:
    """The faster way to read a model that is right for it. Raises `CollectError` for one that has none."""
    reader = Reader(model)
    try:
        reader.check(probes, device)
    except NotSharedError as error:
        reader = RowReader(model, str(error))
        reader.check(probes, device)
    return reader


class RowReader(Reader):
    """Takes the scores that the model itself gives. A context is read twice more than in `Reader`, and again with each option of
    several tokens."""

    def __init__(self, model: Any, why: str) -> None:
        super().__init__(model)
        self.by_rows = why

    @torch.no_grad()
    def score(self, probe: Sequence[Encoded], some: Sequence[Batch]) -> Scores:
        """`some`: batches of the probe, whose sizes and device are those of the rows."""
        size, device = max(len(batch.which) for batch in some), some[0].contexts.device
        log_probs: list[NDArray[np.float64]] = [np.empty(len(item.options)) for item in probe]
        states: list[Tensor] = [torch.empty(0)] * len(probe)
        for which, rows in self._alike([item.context for item in probe], size, device):
            scores, found = self._contexts(rows)
            for n, i in enumerate(which):
                states[i] = found[:, :, n]
                firsts = [option[0] for option in probe[i].options]
                log_probs[i][:] = scores[n, firsts].cpu().numpy()
        longer = [(i, k) for i, item in enumerate(probe) for k, o in enumerate(item.options) if len(o) > 1]  # fmt: skip
        lines = [[*probe[i].context, *probe[i].options[k][:-1]] for i, k in longer]
        for which, rows in self._alike(lines, size, device):
            scores = self.model(input_ids=rows, use_cache=False).logits.double().log_softmax(-1)
            for n, (i, k) in enumerate(longer[m] for m in which):
                rest = probe[i].options[k][1:]
                log_probs[i][k] += float(scores[n, -len(rest) :][range(len(rest)), rest].sum())
        return Scores(log_probs, torch.stack(states, 2))

    def next_scores(self, inputs: Tensor, there: Tensor) -> Tensor:
        scores: Tensor = self.model(input_ids=inputs, use_cache=False).logits
        return scores[there].float()

    @torch.no_grad()
    def check(self, probes: Probes, device: torch.device) -> None:
        """Raise `CollectError` for a model whose states cannot be had."""
        some = some_of(probes)
        try:
            self.score(some, list(batches(some, 2, device)))
        except READING_ERRORS as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise CollectError(
                f"{type(self.model).__name__} cannot be read: it has no states of one width, one before and one after each block, or no "
                f"scores of tokens ({type(error).__name__}: {(str(error) or 'no more is said').splitlines()[0]})"
            ) from None

    def _alike(
        self, rows: Sequence[Sequence[int]], size: int, device: torch.device
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Rows of one length, at most `size` at a time: their places, and (n, T)."""
        vocabulary = self.model.config.get_text_config().vocab_size
        by_length: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            by_length.setdefault(len(row), []).append(place)
        for length, places in sorted(by_length.items()):
            n = max(1, min(size, _SCORES // (length * vocabulary)))
            for start in range(0, len(places), n):
                which = places[start : start + n]
                yield which, torch.tensor([rows[i] for i in which], device=device)

    def _contexts(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (n, vocabulary) of the next token, and pooled states (3, L + 2, n, width), of contexts (n, T)."""
        with self.watched() as seen:  # some models do not call their own base
            final = self.base(input_ids=rows, use_cache=False).last_hidden_state
        scores = self.model(input_ids=rows, use_cache=False).logits[:, -1]
        lengths = torch.full((len(rows),), rows.shape[1], device=rows.device)
        return scores.double().log_softmax(-1), pooled(torch.stack([*seen, final]), lengths)
