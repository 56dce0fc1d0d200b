"""Result files of lm-evaluation-harness, one per checkpoint.

A file holds ``results``: for each task its metrics with their standard errors (``acc,none`` and
``acc_stderr,none``; before version 0.4 ``acc`` and ``acc_stderr``), and ``config`` with what was
evaluated. The step is read from the revision (``revision=step1000``), from the name of the model or
checkpoint, or from the folder's: ``step1000``, ``checkpoint-1000``, ``global_step1000``, ``iter_1000``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing.columns import Rows

_STEP = re.compile(r"(?:global_step|step|checkpoint|ckpt|iter)[-_=]?0*([0-9]+)", re.IGNORECASE)
_REVISION = re.compile(r"revision=([^,\s]+)")
_MODEL = re.compile(r"(?:pretrained|path|model)=([^,\s]+)")


def is_source(path: Path) -> bool:
    files = [path] if path.is_file() else path.rglob("*.json")
    return any(_document(file) is not None for file in files if file.suffix == ".json")


def read(path: Path) -> Iterator[Rows]:
    """The metrics of every result file below `path`; other JSON files there are left alone.

    Raises `TraceError` for a file whose step cannot be determined.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.json"))
    some = False
    for file in files:
        document = _document(file)
        if document is not None:
            some = True
            yield _rows(document, file, path)
    if not some:
        raise TraceError("no result file of lm-evaluation-harness", file=path)


def _document(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (ValueError, OSError, UnicodeDecodeError):
        return None
    whole = isinstance(found, dict) and isinstance(found.get("results"), dict)
    return found if whole and ("config" in found or "versions" in found) else None


def _rows(document: dict[str, Any], file: Path, top: Path) -> Rows:
    config = document.get("config") if isinstance(document.get("config"), dict) else {}
    assert isinstance(config, dict)
    arguments = config.get("model_args") or ""
    if isinstance(arguments, dict):
        arguments = ",".join(f"{key}={value}" for key, value in arguments.items())
    step, model = _step_and_model(document, str(arguments), file, top)
    columns: dict[str, list[Any]] = {name: [] for name in ("task", "measure", "value", "stderr")}
    for task, metrics in document["results"].items():
        if not isinstance(metrics, dict):
            continue
        for name, value in metrics.items():
            metric, _, filter_ = name.partition(",")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if metric.endswith("_stderr") or not number or metric == "sample_len":
                continue
            error = metrics.get(f"{metric}_stderr,{filter_}" if filter_ else f"{metric}_stderr")
            columns["task"].append(task)
            columns["measure"].append(metric if filter_ in ("", "none") else f"{metric},{filter_}")
            columns["value"].append(float(value))
            columns["stderr"].append(float(error) if isinstance(error, int | float) else None)
    n = len(columns["task"])
    if not n:
        raise TraceError("the results hold no number", file=file)
    columns |= {"run": [model] * n, "scale": [model] * n, "step": [step] * n}
    parameters = config.get("model_num_parameters")
    if isinstance(parameters, int) and parameters > 0:
        columns["n_params"] = [parameters] * n
    date = document.get("date")
    if isinstance(date, int | float):
        columns["created"] = [datetime.fromtimestamp(date, UTC).isoformat(timespec="seconds")] * n
    kept = {k: v for k, v in config.items() if isinstance(v, str | int | float | bool)}
    kept.pop("model_args", None)  # it has the revision, which differs between checkpoints
    return Rows(str(file), columns, list(range(n)), config=kept)


def _step_and_model(
    document: dict[str, Any], arguments: str, file: Path, top: Path
) -> tuple[int, str]:
    revision, named = _REVISION.search(arguments), _MODEL.search(arguments)
    name = str(document.get("model_name") or (named[1] if named else "") or "")
    below = file.relative_to(top).as_posix() if top.is_dir() else file.as_posix()
    for text in (revision[1] if revision else "", name, below):
        found = _STEP.search(text)
        if found:
            break
    else:
        raise TraceError(
            "the step cannot be determined from revision, model or path",
            file=file,
            fix="Put the file into a folder with the step in its name, such as step1000.",
        )
    without_step = _STEP.sub("", name).strip("/-_. ")
    model = without_step.rstrip("/").rpartition("/")[2] or file.parent.name
    return int(found[1]), re.sub(r"[^A-Za-z0-9._+=-]+", "-", model).strip("-") or "model"
