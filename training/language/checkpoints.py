"""Checkpoints of language models: where each lies or is fetched from, its weights in memory, and their digest.

A repository is one of the hub, a folder in the layout of the hub's cache (``refs/REVISION`` names a commit, ``snapshots/COMMIT``
has its files), or a folder with a sub-folder for each revision, as trainers leave them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from emergence_stats.errors import CollectError

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_OLD_WEIGHTS = ("pytorch_model*.bin", "pytorch_model*.bin.index.json")
_OTHERS = ("*.json", "*.model", "*.txt")


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
    if found is not None and _has_weights(Path(found)):
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


def _has_weights(folder: Path) -> bool:
    return any(True for some in (*_WEIGHTS, *_OLD_WEIGHTS) for _ in folder.glob(some))


def _fetched(repository: str, revision: str, kept: Path) -> Path:
    from huggingface_hub import list_repo_files, snapshot_download
    from huggingface_hub.errors import (
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        names = list_repo_files(repository, revision=revision)
        safe = any(name.endswith(".safetensors") for name in names)
        wanted = [*_OTHERS, *(_WEIGHTS if safe else _OLD_WEIGHTS)]
        return Path(
            snapshot_download(repository, revision=revision, cache_dir=kept, allow_patterns=wanted)
        )
    except RevisionNotFoundError:
        raise NoRevisionError(f"{repository} has no revision {revision}") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise CollectError(
            f"there is no model {repository!r} on the hub that you may read, and no folder of that name"
        ) from None
    except (
        Exception
    ) as error:  # of the library that fetches, which is another with each version of the hub's
        raise CollectError(
            f"revision {revision} of {repository} is not on this machine, and cannot be fetched "
            f"({type(error).__name__}: {_first_line(error)}). With a network, collect again: what is measured is kept. Without one, fetch the revisions elsewhere, "
            "and name the folder that holds them with --models"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def load_model(folder: Path, device: torch.device) -> Any:
    """A causal language model in float32, for reading. Raises `CollectError` for files that transformers cannot read."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a bar for each of hundreds of checkpoints
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # of many kinds: json, safetensors, torch, keys that are missing
        raise CollectError(f"{folder}: the model cannot be read ({_first_line(error)})") from None
    return model.to(device).eval()


def load_tokenizer(folder: Path) -> Any:
    """Its tokenizer. Raises `CollectError`."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise CollectError(
            f"{folder}: the tokenizer cannot be read ({_first_line(error)})"
        ) from None


def digest_of(model: Any) -> str:
    """sha256 of all parameters, by name: the same weights have it in whatever files they lie."""
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name} {tuple(parameter.shape)}\n".encode())
        digest.update(parameter.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
