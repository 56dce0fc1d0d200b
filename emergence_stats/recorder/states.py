"""Hidden states as matrices of samples: which dimension counts samples, which channels, and the mean over the rest.

A hidden state is (samples, width), (samples, positions, width) or, of a convolution, (samples, channels, ...). Which
dimension is which is not guessed: it is known from the batch, from the module, or from the user, or the state is not
used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

Batch = Any  # what the model takes: a tensor, a tuple of arguments, or a mapping of keywords

WHAT_IT_IS = "a hidden state is (samples, width), (samples, positions, width) or, of a convolution, (samples, channels, ...)"
CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip
NAMED = ("last_hidden_state", "hidden_states", "hidden_state")  # of a mapping, what is the state


class NoStateError(ValueError):
    """What a module returned cannot be read as a hidden state; the message says why."""


@dataclass(frozen=True)
class Reading:
    """How the states of one module are read; None: by the batch and the module.

    `sample_dim`: the dimension that counts samples in states of three dimensions, 0 or 1; else it is the first.
    `channel_dim`: the dimension of their width, 1 or -1.
    """

    module: nn.Module
    sample_dim: int | None = None
    channel_dim: int | None = None

    def pooled(self, output: Any, batch: Batch) -> tuple[Tensor, bool]:
        """What a module returned -> (samples, width), the mean over positions, in float64.

        Also whether the samples were found in the second dimension without being told so. Raises `NoStateError`.
        """
        states = tensor_of(output)
        if states.device.type == "mps":  # which has no float64
            states = states.cpu()
        if states.is_nested or states.layout != torch.strided:
            raise NoStateError("the module returned a tensor that is nested or sparse")
        if states.is_complex() or states.ndim < 2:
            kind = "complex numbers" if states.is_complex() else "a tensor"
            raise NoStateError(
                f"the module returned {kind} of shape {tuple(states.shape)}; {WHAT_IT_IS}"
            )
        samples = self._samples(states, batch)
        mask = padding_mask(batch)
        if states.ndim == 2:
            return states.double(), False
        channels = self._channels(states)
        states = states.double().movedim((samples, channels), (0, -1))
        return _mean(states, mask), samples == 1 and self.sample_dim is None

    def _samples(self, states: Tensor, batch: Batch) -> int:
        """The dimension of `states` that counts samples."""
        sizes = [t.shape for t in tensors(batch) if t.ndim]
        shape = tuple(states.shape)
        first = states.ndim != 3 or isinstance(self.module, CONVOLUTIONS)
        if self.sample_dim is not None:
            dim = 0 if first else self.sample_dim
            known = {n for size in sizes for n in size[:2]}
            if known and shape[dim] not in known:
                raise NoStateError(
                    f"its state of shape {shape} has {shape[dim]} samples (sample_dim={self.sample_dim}), and no tensor "
                    "of the batch has as many"
                )
            return dim
        n = sizes[0][0] if sizes else shape[0]
        if shape[0] == n:
            return 0
        if not first and shape[1] == n and self.channel_dim != 1:
            return 1
        raise NoStateError(
            f"its state has shape {shape}, and the batch {n} samples by its first tensor; {WHAT_IT_IS}. If the samples of the batch are "
            "not in its first dimension, say which dimension of a state they are in: Recorder(..., sample_dim=1)"
        )

    def _channels(self, states: Tensor) -> int:
        """The dimension of `states` (three or more) that is their width."""
        if isinstance(self.module, CONVOLUTIONS):
            return 1
        if self.channel_dim is not None:
            return self.channel_dim
        if states.ndim == 3:
            return -1
        channels = {m.out_channels for m in self.module.modules() if isinstance(m, CONVOLUTIONS)}
        if states.shape[1] in channels:
            return 1
        raise NoStateError(
            f"its state has shape {tuple(states.shape)}; {WHAT_IT_IS}. Say which dimension is the width: "
            "Recorder(..., channel_dim=1) for images with channels first, channel_dim=-1 if they are last"
        )


def _mean(states: Tensor, mask: Tensor | None) -> Tensor:
    """(samples, ..., width) -> (samples, width), without what the mask (samples, positions) leaves out."""
    if mask is None:
        return states.flatten(1, -2).mean(1)
    if mask.shape != states.shape[:-1]:
        raise NoStateError(
            f"its state has shape {tuple(states.shape)} with samples first, and the attention_mask "
            f"{tuple(mask.shape)}; a mask is (samples, positions)"
        )
    weight = mask.to(states)[..., None]
    kept = states.masked_fill(weight == 0, 0.0)  # a state at padding may be NaN
    return (kept * weight).sum(1) / weight.sum(1).clamp_min(1)


def tensor_of(output: Any) -> Tensor:
    """The hidden state in what a module returned.

    Of a tuple or list the first item; of a mapping or dataclass the entry of a usual name (`NAMED`), or its only
    tensor. Raises `NoStateError`.
    """
    if isinstance(output, Tensor):
        full = getattr(output, "full_tensor", None)  # of one that is sharded over processes
        return output if full is None else full()
    if isinstance(output, tuple | list) and output:
        return tensor_of(output[0])
    if is_dataclass(output) and not isinstance(output, type | Mapping):
        output = {field.name: getattr(output, field.name) for field in fields(output)}
    if isinstance(output, Mapping):
        found = [output[name] for name in NAMED if output.get(name) is not None]
        found = found or [value for value in output.values() if isinstance(value, Tensor)]
        if len(found) == 1 or (found and output.get(NAMED[0]) is found[0]):
            return tensor_of(found[0])
        names = ", ".join(map(str, output))[:80]
        raise NoStateError(
            f"the module returned {type(output).__name__} of {names}; which is its state is not known. {WHAT_IT_IS}"
        )
    raise NoStateError(f"the module returned {type(output).__name__}; {WHAT_IT_IS}")


def tensors(batch: Batch) -> Iterator[Tensor]:
    """All tensors in a batch, in its order."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from tensors(value)
    elif isinstance(batch, tuple | list):
        for value in batch:
            yield from tensors(value)


def on_device_of(model: nn.Module, batch: Batch) -> Batch:
    """The batch where the model is: a trainer moves its model to a GPU, not the recorder's samples."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))

    def moved(value: Any) -> Any:
        return value.to(device) if isinstance(value, Tensor) else value

    if isinstance(batch, Mapping):
        return {name: moved(value) for name, value in batch.items()}
    return tuple(map(moved, batch)) if isinstance(batch, tuple | list) else moved(batch)


def padding_mask(batch: Batch) -> Tensor | None:
    """(samples, positions), 0 where a position is padding; None if the batch does not say."""
    mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
    return mask if isinstance(mask, Tensor) else None


def readings(
    model: nn.Module, modules: Sequence[nn.Module], sample_dim: int | None, channel_dim: int | None
) -> list[Reading]:
    """How the states of these modules are read.

    Raises `ValueError` where the model has layers whose states have their dimensions in another order, so that
    neither the batch nor the shape tells which is which.
    """
    if sample_dim not in (None, 0, 1):
        raise ValueError(f"sample_dim is {sample_dim!r}; it is 0 or 1")
    if channel_dim not in (None, 1, -1):
        raise ValueError(f"channel_dim is {channel_dim!r}; it is 1 or -1")
    if sample_dim == channel_dim == 1:
        raise ValueError("sample_dim and channel_dim are both 1; a dimension is one of them")
    named = dict(model.named_modules()) if modules else {}
    if sample_dim is None:
        for name, module in named.items():
            if getattr(module, "batch_first", True) is False:
                raise ValueError(
                    f"module {name!r} ({type(module).__name__}) has batch_first=False, so that hidden states may be "
                    "(positions, samples, width). Say which dimension of a state counts the samples: "
                    "Recorder(..., sample_dim=1), or sample_dim=0 if they are (samples, positions, width)"
                )
    plain = any(not isinstance(module, CONVOLUTIONS) for module in modules)
    if channel_dim is None and plain:
        for name, module in named.items():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                raise ValueError(
                    f"module {name!r} is a {type(module).__name__}, so that hidden states of three dimensions may be "
                    "(samples, channels, positions). Say which dimension is the width: Recorder(..., channel_dim=1), "
                    "or channel_dim=-1 if they are (samples, positions, width)"
                )
    return [Reading(module, sample_dim, channel_dim) for module in modules]
