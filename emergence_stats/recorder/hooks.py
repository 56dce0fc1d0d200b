"""Look into a model while it runs, and leave it as it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Batch = Any  # what the model takes: a tensor, a tuple of arguments, or a mapping of keywords


def matching(model: nn.Module, patterns: Sequence[str]) -> list[nn.Module]:
    """Modules by name, where ``*`` stands for one part of it. Raises `ValueError` if there is none."""
    modules = dict(model.named_modules())
    found = []
    for pattern in patterns:
        compiled = re.compile(re.escape(pattern).replace(r"\*", r"[^.]+"))
        mine = [module for name, module in modules.items() if name and compiled.fullmatch(name)]
        if not mine:
            names = ", ".join(name for name in list(modules)[:12] if name)
            raise ValueError(f"the model has no module {pattern!r}; it has {names}, ...")
        found += mine
    return found


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every module is then as it was."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def watching(modules: Mapping[int, nn.Module], mask: Tensor | None) -> Iterator[dict[int, Tensor]]:
    """Pooled hidden states (samples, width) by layer, from the forward passes inside."""
    pooled: dict[int, Tensor] = {}

    def keep(number: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            pooled[number] = _pooled(output[0] if isinstance(output, tuple) else output, mask)

        return hook

    handles = [module.register_forward_hook(keep(number)) for number, module in modules.items()]
    try:
        yield pooled
    finally:
        for handle in handles:
            handle.remove()


def _pooled(states: Tensor, mask: Tensor | None) -> Tensor:
    """(samples, positions, width) -> (samples, width), the mean over positions, in float64."""
    if states.device.type == "mps":  # which has no float64
        states = states.cpu()
    states = states.double()
    if states.ndim == 2:
        return states
    if mask is None:
        return states.mean(1)
    weight = mask.to(states)[..., None]
    return (states * weight).sum(1) / weight.sum(1).clamp_min(1)


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
    return batch.get("attention_mask") if isinstance(batch, Mapping) else None
