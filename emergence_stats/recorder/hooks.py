"""Look into a model while it runs, and leave it as it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from emergence_stats.recorder.states import Batch, NoStateError, Reading
from emergence_stats.recorder.wrappers import names_of

NEVER_CALLED = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


def matching(model: nn.Module, patterns: Iterable[str]) -> list[nn.Module]:
    """Modules by name, where ``*`` stands for one part of it.

    Names are those of the model itself: parts that DDP, FSDP or `torch.compile` add may be left out. A module that
    has two names is found by each. Raises `ValueError` if there is none, if a module is named twice, and for a
    list of modules, which is never called.
    """
    plain, full = names_of(model), dict(model.named_modules(remove_duplicate=False))
    found: dict[str, nn.Module] = {}
    for pattern in patterns:
        if not isinstance(pattern, str):
            kind = type(pattern).__name__
            raise ValueError(
                f"a layer is given by the name of its module, such as 'blocks.*', and not by a {kind}"
            )
        compiled = re.compile(re.escape(pattern).replace(r"\*", r"[^.]+"))
        mine = next(
            (
                hits
                for names in (plain, full)
                if (hits := {n: m for n, m in names.items() if n and compiled.fullmatch(n)})
            ),
            None,
        )
        if mine is None:
            names = ", ".join([*(name for name in list(plain)[:12] if name), "..."])
            raise ValueError(f"the model has no module {pattern!r}; it has {names}")
        for name, module in mine.items():
            if name in found:
                raise ValueError(f"layer {name!r} is named twice, the second time by {pattern!r}")
            if isinstance(module, NEVER_CALLED):
                raise ValueError(
                    f"{name!r} is a {type(module).__name__}, which is never called and has no hidden state; "
                    f"did you mean {name + '.*'!r}?"
                )
        found.update(mine)
    return list(found.values())


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every module is then as it was."""
    training = [module for module in model.modules() if module.training]
    try:
        model.eval()
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def same_random_numbers(model: nn.Module) -> Iterator[None]:
    """Afterwards torch's generators are as before: a model may draw numbers in evaluation mode too."""
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        yield


@dataclass
class Seen:
    """What the forward passes showed of each layer, by its number.

    `pooled`: states (samples, width). `unread`: why a state could not be read. `second`: layers whose samples were
    found in the second dimension. `calls`: how often a module was called in place of how many layers.
    """

    pooled: dict[int, Tensor] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)
    second: set[int] = field(default_factory=set)
    calls: dict[tuple[int, ...], int] = field(default_factory=dict)


@contextmanager
def watching(layers: Mapping[int, Reading], batch: Batch) -> Iterator[Seen]:
    """Pooled hidden states by layer, from the forward passes inside.

    A module that is several layers (shared weights) is each of them in turn; one that is called more often is the
    last of them again, so that its last state counts.
    """
    seen = Seen()

    def keep(numbers: tuple[int, ...]) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            calls = seen.calls.get(numbers, 0)
            seen.calls[numbers] = calls + 1
            number = numbers[min(calls, len(numbers) - 1)]
            seen.pooled.pop(number, None)
            try:
                seen.pooled[number], second = layers[number].pooled(output, batch)
            except Exception as error:  # within the model's own forward pass, which goes on
                own = isinstance(error, NoStateError)
                seen.unread[number] = str(error) if own else f"{type(error).__name__}: {error}"
            else:
                seen.second |= {number} if second else set()

        return hook

    shared: dict[nn.Module, list[int]] = {}
    for number, reading in sorted(layers.items()):
        shared.setdefault(reading.module, []).append(number)
    handles = []
    try:
        for module, numbers in shared.items():
            try:
                handles.append(module.register_forward_hook(keep(tuple(numbers))))
            except RuntimeError as error:  # of TorchScript, which has no hooks
                seen.unread.update(dict.fromkeys(numbers, str(error)))
        yield seen
    finally:
        for handle in handles:
            handle.remove()
