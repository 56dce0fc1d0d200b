"""Checkpoints of language models: where each lies or is fetched from, its weights in memory, and their digest.

A repository is one of the hub, a folder in the layout of the hub's cache (``refs/REVISION`` names a commit, ``snapshots/COMMIT``
has its files), or a folder with a sub-folder for each revision, as trainers leave them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from emergence_stats.errors import CollectError

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_OLD_WEIGHTS = ("pytorch_model*.bin", "pytorch_model*.bin.index.json")
_OTHERS = ("*.json", "*.model", "*.txt")
_TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "merges.txt")  # fmt: skip
_MODELS = ("config.json", "adapter_config.json")  # of which a folder that is a checkpoint has one
_NAMES_SHOWN = 3


class NoRevisionError(Exception):
    """A repository that is there has no such revision."""


@contextmanager
def checkpoint(repository: str, revision: str, kept: Path) -> Iterator[Path]:
    """The folder with the files of a revision. What had to be fetched lies below `kept`, and is removed in the end.

    Raises `NoRevisionError`, and `CollectError` for a repository that is not here and cannot be reached.
    """
    folder = _here(repository, revision)
    if folder is not None:
        yield folder
        return
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:  # the user's own cache stays what it is
        found = snapshot_download(repository, revision=revision, local_files_only=True)
    except (LocalEntryNotFoundError, ValueError):
        found = None
    if found is not None and is_whole(Path(found)):
        yield Path(found)
        return
    try:
        yield _fetched(repository, revision, kept)
    finally:
        shutil.rmtree(kept, ignore_errors=True)


def _here(repository: str, revision: str) -> Path | None:
    """The folder of a revision of a repository that is a folder, None if it is none."""
    place = Path(repository)
    if not place.is_dir():
        return None
    reference = place / "refs" / revision
    if reference.is_file():
        folder = place / "snapshots" / reference.read_text("utf-8").strip()
        if not folder.is_dir():
            raise CollectError(f"{reference} names {folder.name}, which {place} does not have")
        return folder
    if (place / revision).is_dir():
        return place / revision
    raise NoRevisionError(f"{place} has no revision {revision}")


def files_of(repository: str, revision: str) -> list[tuple[str, int, int]] | None:
    """Name, size in bytes and time of change in ns of each file of a revision; None where that is in no folder, and so is fetched."""
    try:
        folder = _here(repository, revision)
    except (NoRevisionError, CollectError):
        return None
    if folder is None:
        return None
    found = ((path, path.stat()) for path in sorted(folder.iterdir()) if path.is_file())
    return [(path.name, stat.st_size, stat.st_mtime_ns) for path, stat in found]


def changed_since(repository: str, revisions: Iterable[str], created: str) -> list[str]:
    """The revisions in a folder that have files which changed after a time, ISO 8601: of a model that was trained again, or copied."""
    when = datetime.fromisoformat(created).timestamp() + 1  # which it has without parts of a second
    return [
        revision
        for revision in revisions
        if any(ns > when * 1e9 for _, _, ns in files_of(repository, revision) or ())
    ]


def is_whole(folder: Path) -> bool:
    """Whether a snapshot has all its weights and a tokenizer: a cache has what was asked for, as a config, or some files of many."""
    if not any((folder / name).is_file() for name in _TOKENIZER):
        return False
    indices = [
        *folder.glob("*.safetensors.index.json"),
        *folder.glob("pytorch_model*.bin.index.json"),
    ]
    for index in indices:
        try:
            wanted = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return False
        if all((folder / str(name)).is_file() for name in wanted):
            return True
    weights = (_WEIGHTS[0], _OLD_WEIGHTS[0])
    return not indices and any(True for some in weights for _ in folder.glob(some))


def revisions(repository: str) -> list[str]:
    """The names of all revisions of a repository: of a folder, its refs or sub-folders; of the hub, branches and tags.

    Without a network, those that the user's own cache has, which is said. Raises `CollectError` if there is no such repository.
    """
    place = Path(repository)
    if place.is_dir():
        return _revisions_in(place)
    from huggingface_hub import constants, list_repo_refs

    try:
        refs = list_repo_refs(repository)
    except Exception as error:
        name = f"models--{repository.replace('/', '--')}"
        kept = _revisions_in(Path(constants.HF_HUB_CACHE) / name)
        if not kept:
            raise _unreachable(repository, f"the revisions of {repository}", error) from None
        sys.stderr.write(
            f"the hub cannot be reached ({_first_line(error)}): the {len(kept)} revisions of {repository} in the cache of this machine are taken\n"
        )
        return kept
    return sorted({ref.name for ref in (*refs.branches, *refs.tags)})


def _revisions_in(place: Path) -> list[str]:
    """Those of a folder, none if there is no folder."""
    if (place / "refs").is_dir():
        refs = (path for path in (place / "refs").rglob("*") if path.is_file())
        return sorted(path.relative_to(place / "refs").as_posix() for path in refs)
    found = place.iterdir() if place.is_dir() else ()
    return sorted(p.name for p in found if any((p / name).is_file() for name in _MODELS))


def half_written(repository: str) -> list[str]:
    """Sub-folders of a folder that are no models, for want of a config."""
    place = Path(repository)
    if not place.is_dir() or (place / "refs").is_dir():
        return []
    whole = _revisions_in(place)
    return sorted(p.name for p in place.iterdir() if p.is_dir() and p.name not in whole)


def config_of(repository: str, revision: str) -> Any:
    """The config of a revision. Raises `CollectError`."""
    from transformers import AutoConfig

    place = _here(repository, revision) or repository
    if isinstance(place, Path):
        _check_whole(place)
    with suppress(Exception):  # not on this machine, or not readable: then said below
        return AutoConfig.from_pretrained(
            place, revision=revision, local_files_only=True, trust_remote_code=False
        )
    with tempfile.TemporaryDirectory() as kept:
        try:
            return AutoConfig.from_pretrained(
                place, revision=revision, cache_dir=kept, trust_remote_code=False
            )
        except Exception as error:
            if isinstance(place, Path):
                said = f"{place}: the config cannot be read ({_first_line(error)})"
                raise CollectError(said) from None
            raise _unreachable(repository, f"revision {revision} of {repository}", error) from None


def _fetched(repository: str, revision: str, kept: Path) -> Path:
    from huggingface_hub import list_repo_files, snapshot_download
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        names = list_repo_files(repository, revision=revision)
        safe = any(name.endswith(".safetensors") for name in names)
        wanted = [*_OTHERS, *(_WEIGHTS if safe else _OLD_WEIGHTS)]
        return Path(
            snapshot_download(repository, revision=revision, cache_dir=kept, allow_patterns=wanted)
        )
    except RevisionNotFoundError:
        raise NoRevisionError(f"{repository} has no revision {revision}") from None
    except (
        Exception
    ) as error:  # of the library that fetches, which is another with each version of the hub's
        raise _unreachable(repository, f"revision {revision} of {repository}", error) from None


def _unreachable(repository: str, what: str, error: Exception) -> CollectError:
    """Why something of the hub is not here, and what to do."""
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return CollectError(
            f"there is no model {repository!r} on the hub that you may read, and no folder of that name"
        )
    return CollectError(
        f"{what} cannot be had: there is no folder {repository} on this machine, and it cannot be fetched ({type(error).__name__}: "
        f"{_first_line(error).rstrip('.')}). With a network, collect again: what is measured is kept. Without one, fetch the revisions elsewhere, "
        "and name the folder that holds them: with --models for a suite, with --model for one model"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _check_whole(folder: Path) -> None:
    """Raise `CollectError` for a folder with an adapter: transformers may pass over it, and read the model that it adapts."""
    if (folder / "adapter_config.json").is_file():
        raise CollectError(
            f"{folder} has an adapter, as LoRA's, and not the weights that it makes: merge it into the model (merge_and_unload), and save that"
        )


def load_model(folder: Path, device: torch.device) -> Any:
    """A causal language model in float32, for reading. Raises `CollectError` for files that transformers cannot read."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a bar for each of hundreds of checkpoints
    _check_whole(folder)
    try:
        read: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        model, loaded = read
    except Exception as error:  # of many kinds: json, safetensors, torch
        raise CollectError(
            f"{folder}: the model cannot be read ({_first_line(error)}). Put its files right, or leave it out with --revisions"
        ) from None
    for what in ("missing_keys", "mismatched_keys"):  # which transformers fills with random numbers
        if names := sorted(str(name) for name in loaded.get(what) or ()):
            there = sorted(str(name) for name in loaded.get("unexpected_keys") or ())
            raise CollectError(
                f"{folder}: the files lack {len(names)} of the weights of {type(model).__name__}, or have them in other shapes "
                f"({_some(names)})"
                + (f"; they have others that it has no place for ({_some(there)})" if there else "")
                + ". A model saved while compiled or wrapped has them under other names: save the model inside; a config of another model names "
                "other weights"
            )
    layers = model.config.get_text_config().num_hidden_layers
    numbers = (int(n) for key in loaded.get("unexpected_keys") or () for n in re.findall(r"\.(\d+)\.", str(key))[:1])  # fmt: skip
    if (most := max(numbers, default=0)) >= layers:
        raise CollectError(
            f"{folder}: the files have {most + 1} blocks, and the config {layers}, so that the rest would be left out: it is another model's"
        )
    return model.to(device).eval()


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")


def load_tokenizer(folder: Path) -> Any:
    """Its tokenizer. Raises `CollectError`."""
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        empty = not found.encode("a word", add_special_tokens=False)
    except Exception as error:
        raise CollectError(
            f"{folder}: the tokenizer cannot be read ({_first_line(error)})"
        ) from None
    if empty:  # what transformers makes of a folder without one
        raise CollectError(
            f"{folder} has no tokenizer, or an empty one: put its files beside the weights, as tokenizer.json"
        )
    return found


def digest_of(model: Any) -> str:
    """sha256 of all parameters: the same weights have it in whatever files they lie, and whatever a library calls them."""
    each = []
    for parameter in model.parameters():
        one = hashlib.sha256(f"{tuple(parameter.shape)}\n".encode())
        one.update(parameter.detach().cpu().contiguous().numpy().data)
        each.append(one.hexdigest())
    return hashlib.sha256("\n".join(sorted(each)).encode()).hexdigest()
