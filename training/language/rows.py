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

from .encoding import Batch, Encoded, Probes
from .scoring import Reader, Scores, pooled

# Scores in memory at a time: the model gives those of the whole vocabulary at every place.
_SCORES = 2**26
_HELD = 8  # items that each checkpoint is held to
# What padding may change by rounding; with 24 blocks of width 1,024 it changes 1e-5 nats, and states by 2e-6 of their length.
_NATS, _RELATIVE, _STATES = 2e-4, 2e-5, 1e-4
_ERRORS = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


class NotSharedError(Exception):
    """A model whose options cannot go on from one reading of their context, and why."""


def reader_of(
    model: Any, probes: Probes, device: torch.device, by_rows: str | None = None
) -> Reader:
    """The faster way to read a model that is right for it. `by_rows`: why this one is read in rows, if that is known.

    Raises `CollectError` for a model that has no way: its states have several widths, or it looks at later tokens.
    """
    rows = RowReader(model, by_rows)
    some = _some_of(probes)
    if not rows.check(some, device):
        return rows  # scores that overflow tell nothing of how a model reads: they are its own
    if by_rows is not None:
        return rows
    reader = Reader(model)
    try:
        _check_shared(reader, rows, some, device)
    except NotSharedError as error:
        rows.by_rows = str(error)
        return rows
    return reader


def _check_shared(
    reader: Reader, rows: RowReader, some: Sequence[Encoded], device: torch.device
) -> None:
    """Raise `NotSharedError` for a model that cannot be read as `Reader` does: that changes its scores after the output embedding, as
    some scale or cap them; keeps no keys and values; or tells places by what it has kept, so that padding moves options.
    """
    batch = Batch.of(some, range(len(some)), device)
    try:
        context = torch.tensor([some[0].context], device=device)
        with torch.no_grad():
            own = reader.model(input_ids=context).logits[0, -1].float()
            ours = reader.head(reader.base(input_ids=context).last_hidden_state[0, -1]).float()
        found = reader.score(some, [batch])
    except _ERRORS as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise NotSharedError(
            f"its options cannot go on from keys and values that a context leaves ({type(error).__name__})"
        ) from None
    if not torch.allclose(own, ours, rtol=1e-4, atol=1e-4 * float(own.abs().max())):
        raise NotSharedError("it changes its scores after the output embedding")
    wanted = rows.score(some, [batch])
    scored, alone = (np.concatenate(scores.log_probs) for scores in (found, wanted))
    if not np.allclose(scored, alone, rtol=_RELATIVE, atol=_NATS, equal_nan=True):
        raise NotSharedError(
            "it scores an option otherwise where its context is padded, by up to "
            f"{np.nanmax(np.abs(scored - alone)):.2g} nats"
        )
    apart, size = (found.states - wanted.states).norm(dim=-1), wanted.states.norm(dim=-1)
    if (apart > _STATES * size).any():  # false where they are not finite
        raise NotSharedError("its states are others where a context is padded")


def _some_of(probes: Probes) -> list[Encoded]:
    """Items with the shortest to the longest context, evenly by rank, of those whose options have several tokens, and the longest."""
    every = sorted(
        (item for some in probes.values() for item in some), key=lambda e: len(e.context)
    )
    many = [item for item in every if any(len(option) > 1 for option in item.options)] or every
    places = np.unique(np.linspace(0, len(many) - 1, _HELD - 1).round().astype(int))
    return [*(many[i] for i in places), *([every[-1]] if every[-1] is not many[places[-1]] else [])]


class RowReader(Reader):
    """Takes the scores that the model itself gives. A context is read twice, and again with each option of several tokens."""

    def __init__(self, model: Any, by_rows: str | None) -> None:
        super().__init__(model)
        self.by_rows = by_rows

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
                log_probs[i][:] = scores[n, firsts].cpu().numpy()  # right for options of one token
        longer = [(i, k) for i, item in enumerate(probe) for k, o in enumerate(item.options) if len(o) > 1]  # fmt: skip
        lines = [[*probe[i].context, *probe[i].options[k][:-1]] for i, k in longer]
        for which, rows in self._alike(lines, size, device):
            scores = self.model(input_ids=rows, use_cache=False).logits.double().log_softmax(-1)
            for n, (i, k) in enumerate(longer[m] for m in which):
                option = probe[i].options[k]
                log_probs[i][k] = float(scores[n, -len(option) :][range(len(option)), option].sum())
        return Scores(log_probs, torch.stack(states, 2))

    def next_scores(self, inputs: Tensor, there: Tensor) -> Tensor:
        scores: Tensor = self.model(input_ids=inputs, use_cache=False).logits
        return scores[there].float()

    @torch.no_grad()
    def check(self, some: Sequence[Encoded], device: torch.device) -> bool:
        """Whether its scores are finite. Raises `CollectError` for a model that gives no states or looks at later tokens."""
        name, longest = type(self.model).__name__, max(some, key=lambda item: len(item.context))
        context = torch.tensor([longest.context], device=device)
        try:
            self.score([longest], [Batch.of([longest], [0], device)])
            other = context.clone()
            other[0, -1] = (other[0, -1] + 1) % self.model.get_input_embeddings().weight.shape[0]
            a, b = (self.model(input_ids=row).logits[0, :-1].float() for row in (context, other))
        except _ERRORS as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise CollectError(
                f"{name} cannot be read: it has no states of one width, one before and one after each block, or no "
                f"scores of tokens ({type(error).__name__}: {(str(error) or 'no more is said').splitlines()[0]})"
            ) from None
        if not torch.isfinite(a).all():
            return False
        if not torch.allclose(a, b, rtol=0.0, atol=1e-5 * float(a.abs().max())):
            raise CollectError(
                f"{name} is no causal language model: a token changes the scores of those before it"
            )
        return True

    def _alike(
        self, rows: Sequence[Sequence[int]], size: int, device: torch.device
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Rows of one length, at most `size` at a time: their places, and (n, T)."""
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
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
