"""What a language model makes of items: how likely it finds each option, and its hidden states of each context.

A context is read once, whatever its options: these go on from its keys and values. Same numbers as rows of context and option
(`tests/training/language/`), which lm-evaluation-harness scores. Models that cannot be read so are read by `rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from emergence_stats.errors import CollectError

from ..measures.rankme import rankme
from .encoding import Batch, Encoded


@dataclass(frozen=True)
class Scores:
    """Of the items of one probe: `log_probs`, of each item that of each of its options, summed over its tokens, in nats.

    `states` (3, L + 2, items, width): the residual stream of each context after the embedding, after each block, and after the
    final norm; the mean over tokens, that of the last token (which predicts the answer), and the mean of states of length 1.
    """

    log_probs: list[NDArray[np.float64]]
    states: Tensor


class Reader:
    """A causal language model of transformers, with its parts by what they are."""

    by_rows: str | None = None  # why each option is read in a row of its own, if so

    def __init__(self, model: Any) -> None:
        self.model = model
        self.base: nn.Module = model.base_model
        self.head: nn.Module = model.get_output_embeddings()
        self.blocks = _blocks_of(model)

    @torch.no_grad()
    def score(self, probe: Sequence[Encoded], some: Sequence[Batch]) -> Scores:
        """`some`: all items of the probe, in batches."""
        log_probs: list[NDArray[np.float64]] = [np.empty(0)] * len(probe)
        every: list[Tensor] = []
        for batch in some:
            found, states = self._batch(batch)
            every.append(states)
            ends = np.cumsum([len(probe[i].options) for i in batch.which.tolist()])
            for number, values in zip(
                batch.which.tolist(), np.split(found.cpu().numpy(), ends[:-1]), strict=True
            ):
                log_probs[number] = values
        order = torch.cat([batch.which for batch in some]).argsort()
        return Scores(log_probs, torch.cat(every, 2)[:, :, order])

    def _batch(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities (options of all items,) and states (3, L + 2, n, width)."""
        with self.watched() as seen:
            out = self.base(input_ids=batch.contexts, use_cache=True)
        stream = torch.stack([*seen, out.last_hidden_state])  # (L + 2, n, T, d)
        last = batch.lengths - 1
        rows = torch.arange(len(last), device=last.device)
        item, token = batch.firsts.T
        scores = self._log_probs(out.last_hidden_state[rows, last])[item, token]
        if len(batch.rows):
            row, position, token = batch.rests.T
            final = self._options(batch, out.past_key_values)
            scores.index_add_(0, batch.options, self._log_probs(final[row, position])[
                torch.arange(len(row), device=row.device), token
            ])  # fmt: skip
        return scores.double(), pooled(stream, batch.lengths)

    def _options(self, batch: Batch, cache: Any) -> Tensor:
        """Final states (m, S, d) of the options that have more than one token, after their contexts."""
        cache.batch_select_indices(batch.rows)
        width, lengths = batch.contexts.shape[1], batch.lengths[batch.rows]
        steps = torch.arange(batch.starts.shape[1], device=lengths.device)
        there = torch.arange(width, device=lengths.device) < lengths[:, None]
        mask = torch.cat([there, steps < batch.counts[:, None]], 1)
        found: Tensor = self.base(
            input_ids=batch.starts,
            attention_mask=mask.long(),
            position_ids=lengths[:, None] + steps,
            past_key_values=cache,
        ).last_hidden_state
        return found

    def next_scores(self, inputs: Tensor, there: Tensor) -> Tensor:
        """Scores (n, vocabulary) of the token after each place of `inputs` (rows, T) that is `there` (rows, T)."""
        final = self.base(input_ids=inputs, use_cache=False).last_hidden_state[there]
        scores: Tensor = self.head(final)
        return scores.float()

    def _log_probs(self, final: Tensor) -> Tensor:
        scores: Tensor = self.head(final)
        return scores.float().log_softmax(-1)

    @contextmanager
    def watched(self) -> Iterator[list[Tensor]]:
        """What goes into the first block and comes out of each, while inside: L + 1 states (n, T, d)."""
        seen: list[Tensor] = []

        def before(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.append(args[0] if args else kwargs["hidden_states"])

        def after(_block: nn.Module, _args: tuple[Any, ...], out: Any) -> None:
            seen.append(out if isinstance(out, Tensor) else out[0])

        hooks = [self.blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
        hooks += [block.register_forward_hook(after) for block in self.blocks]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()


def pooled(stream: Tensor, lengths: Tensor) -> Tensor:
    """States (L + 2, n, T, d) of contexts of these lengths -> (3, L + 2, n, d), in float64."""
    there = torch.arange(stream.shape[2], device=lengths.device) < lengths[:, None]  # (n, T)
    weights = (there / lengths[:, None])[:, None].double()  # (n, 1, T)
    rows = torch.arange(len(lengths), device=lengths.device)
    found = []
    for states in stream.double():  # a layer at a time: of all together there are copies
        mean, unit = ((weights @ x)[:, 0] for x in (states, normalize(states, dim=-1)))
        found.append(torch.stack([mean, states[rows, lengths - 1], unit]))
    return torch.stack(found, 1)


def ranks(states: Tensor, *, centred: bool) -> NDArray[np.float64]:
    """RankMe (3, L + 2) of states (3, L + 2, items, width), to the precision of the states; NaN of those that are not finite."""
    finite = torch.isfinite(states).all(-1).all(-1)
    found = rankme(states.masked_fill(~finite[..., None, None], 0.0), centred=centred)
    as_array: NDArray[np.float64] = (
        found.masked_fill(~finite, torch.nan).float().double().cpu().numpy()
    )
    return as_array


def _blocks_of(model: Any) -> nn.ModuleList:
    """The blocks of a model: its list of as many modules as its configuration has layers."""
    n = model.config.get_text_config().num_hidden_layers
    for module in model.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == n:
            return module
    raise CollectError(f"{type(model).__name__} has no list of {n} blocks")
