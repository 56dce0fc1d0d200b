"""Models that are wrapped: compiled, or spread over processes."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # parts of names


def unwrapped(model: nn.Module) -> nn.Module:
    """The model within `torch.compile`, DDP and `DataParallel`, each of which holds all of it.

    It is called itself: hooks of a compiled model may not fire, DDP sends buffers to processes that do not record,
    and `DataParallel` calls its layers on parts of the batch.
    """
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def names_of(model: nn.Module) -> dict[str, nn.Module]:
    """Modules by name without the parts that wrappers add; of one name, the outermost."""
    found: dict[str, nn.Module] = {}
    for name, module in unwrapped(model).named_modules(remove_duplicate=False):
        found.setdefault(".".join(p for p in name.split(".") if p not in WRAPPERS), module)
    return found


def eager() -> AbstractContextManager[object]:
    """Inside, what is compiled is called as it was written, so that hooks fire; nothing is compiled anew.

    Costs nothing if nothing was ever compiled. Before torch 2.6 there is no such way, and hooks may not fire.
    """
    stance = getattr(torch.compiler, "set_stance", None)
    if "torch._dynamo" not in sys.modules or stance is None:
        return nullcontext()
    stanced: AbstractContextManager[object] = stance("force_eager")
    return stanced


def rank() -> int:
    """The number of this process among those of a training, 0 if there is only one."""
    distributed = torch.distributed
    return (
        distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0
    )


def is_sharded(model: nn.Module) -> bool:
    """Whether no process holds the whole model (FSDP, `fully_shard`, DTensor, ZeRO-3): all have to call it."""
    wrappers = (*_loaded("fsdp", "FullyShardedDataParallel"), *_loaded("fsdp", "FSDPModule"))
    if any(isinstance(module, wrappers) for module in model.modules()):
        return True
    parts = _loaded("tensor", "DTensor")
    return any(isinstance(p, parts) or hasattr(p, "ds_id") for p in model.parameters())


def _loaded(module: str, name: str) -> tuple[type, ...]:
    """A class of `torch.distributed`, none if its module was never imported, so that nothing is of it."""
    found = getattr(sys.modules.get(f"torch.distributed.{module}"), name, None)
    return () if found is None else (found,)


def check_whole(model: nn.Module) -> None:
    """Raise `ValueError` for a model that is the inside of an FSDP wrapper.

    Called without its wrapper it would run on weights that are not there, and take the wrapper's place.
    """
    fsdp = _loaded("fsdp", "FullyShardedDataParallel")
    if isinstance(model, fsdp):
        return
    inside = [module for module in model.modules() if isinstance(module, fsdp)]
    roots = all(getattr(module, "_is_root", False) for module in inside)
    if "_flat_param" in model._parameters or not roots:
        raise ValueError("the model is wrapped by FSDP: give the recorder the wrapped model")


def n_params(model: nn.Module) -> int:
    """Number of parameters of the whole model, also if this process holds a part of it."""
    flat: dict[int, int] = {}  # of FSDP, whose parameters are parts of flat ones
    inside: set[int] = set()
    fsdp = _loaded("fsdp", "FullyShardedDataParallel")
    for module in model.modules():
        handle = getattr(module, "_handle", None)
        if isinstance(module, fsdp) and handle is not None:
            flat[id(handle)] = handle.flat_param._unpadded_unsharded_size.numel()
            inside |= {id(handle.flat_param), *map(id, handle.flat_param._params or ())}
    lazy = nn.parameter.UninitializedParameter  # has no size before the first call
    known = (p for p in model.parameters() if id(p) not in inside and not isinstance(p, lazy))
    return sum(flat.values()) + sum(p.numel() for p in known)
