"""Result files of lm-evaluation-harness, one per checkpoint.

A file holds ``results``: for each task its metrics with their standard errors (``acc,none`` and ``acc_stderr,none``;
before version 0.4 ``acc`` and ``acc_stderr``), and ``config`` with what was evaluated (``model_args``).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import Rows, typed
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.paths import differing
from emergence_stats.traces.importing.readers.tables import parse_json

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9-]+(?:\.[0-9]+)?")  # in the file's name
_EPOCH = re.compile(r"epoch[-_=]?[0-9.]+", re.IGNORECASE)  # beside a step
_MILLISECONDS = 1e11  # seconds would be of the year 5138
_MODEL = (
    "peft",  # of which a base has many
    "pretrained",
    "path",
    "model",
)  # arguments that name the model, the better ones first


@dataclass
class _Checkpoint:
    """One result file: the model without its step, the folder without its step, and when it was evaluated.

    `branch`: what its revision says beside the step, as of a second stage of training.
    """

    file: Path
    document: dict[str, Any]
    model: str
    branch: str
    step: int
    unit: str
    folder: str
    evaluated: str
    sha256: str


_NO_METRICS = frozenset(("alias", "name", "samples", "sample_len"))


def is_source(path: Path) -> bool:
    files = [path] if path.is_file() else sorted(path.rglob("*.json"))
    return any(_is_result(_document(file)[0]) for file in files if file.suffix.lower() == ".json")


def read(
    paths: Sequence[Path],
    notes: Notes,
    constants: Mapping[str, str],
    where: Mapping[str, str] | None = None,
) -> Iterator[Rows]:
    """The metrics of every result file at or below `paths`, from the first evaluation to the last.

    All of them together, however they are named: what differs between the evaluations of one run is seen among all.
    `constants`: what is said of all rows; a ``step_unit`` among them tells which of steps and tokens counts where a name has
    both, and with a ``step`` none is looked for. `where`: of a file, folder or task, those that count; others are not compared.
    Files that are cut off, and other JSON files, are named. Raises `TraceError`
    for a file whose step cannot be determined, and if there is no result file.
    """
    top, where = _top(paths), where or {}
    found: list[_Checkpoint] = []
    for file, path in _files(paths).items():
        if (
            where.get("file", file.stem) != file.stem
            or where.get("folder", file.parent.name) != file.parent.name
        ):
            notes.add("left out", "a file that was not asked for", file)
            continue
        document, data, why = _document(file)
        if document is None or not _is_result(document):
            notes.add("left out", why or "no result file of lm-evaluation-harness", file)
            continue
        found.append(_checkpoint(document, data, file, path, top, constants, notes))
    if not found:
        raise TraceError("no result file of lm-evaluation-harness", file=few(list(map(str, paths))))
    called = _names(found, notes)
    found.sort(
        key=lambda one: one.evaluated
    )  # the harness adds a file and overwrites none: the newer one counts
    _check_alike(found, called, notes, where.get("task"))
    for one in found:
        yield _rows(one, called[one.model, one.folder], notes)


def _files(paths: Sequence[Path]) -> dict[Path, Path]:
    """Every file, once, with the source that it was found in."""
    real: dict[Path, tuple[Path, Path]] = {}
    for path in paths:
        for file in [path] if path.is_file() else sorted(path.rglob("*.json")):
            real.setdefault(file.resolve(), (file, path))
    return dict(real.values())


def _top(paths: Sequence[Path]) -> Path:
    """The folder that all sources are in; of one folder, that itself."""
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0]
    folders = [path.resolve().parent for path in paths]
    return Path(os.path.commonpath(folders))


def _check_alike(
    found: Sequence[_Checkpoint],
    called: dict[tuple[str, str], str],
    notes: Notes,
    wanted: str | None = None,
) -> None:
    """What differs between the evaluations of a run, of the task that is wanted or of all.

    Raises `TraceError` where a task was evaluated on other examples, or by another version of it, and where revisions are of
    several stages or branches.
    """
    seen: dict[tuple[str, str, str], tuple[Any, _Checkpoint]] = {}
    for one in found:
        run = called[one.model, one.folder]
        config = one.document["config"] if isinstance(one.document.get("config"), dict) else {}
        before, other = seen.setdefault((run, "", "branch"), (one.branch, one))
        if before != one.branch:
            raise TraceError(
                f"the revision is of {one.branch or 'no branch'!r} here, and of {before or 'no branch'!r} in {other.file}: they may "
                "be two trainings",
                file=one.file,
                fix="Import each by itself, with --set run=NAME.",
            )
        if config.get("limit") is not None:
            notes.add(
                "doubtful", f"evaluated on the first {config['limit']:g} examples of each task"
            )
        groups = _groups(one.document)
        for task in one.document["results"]:
            if task in groups or task != (wanted or task):
                continue
            for what, value in _conditions(one.document, config, task):
                before, other = seen.setdefault((run, task, what), (value, one))
                if before != value:
                    raise TraceError(
                        f"{task} was evaluated with {what} {value} here at step {one.step}, and with {before} in {other.file} at "
                        f"step {other.step}",
                        file=one.file,
                        fix="Import each by itself, with --set run=NAME.",
                    )
        arguments = _arguments(config.get("model_args"))
        for name, text in arguments.items():
            if name in ("revision", *_MODEL):
                continue
            before, other = seen.setdefault((run, "", name), (text, one))
            if before != text:
                notes.add("doubtful", f"run {run} was evaluated with {name} {before} and {text}")


def _conditions(
    document: dict[str, Any], config: dict[str, Any], task: str
) -> Iterator[tuple[str, Any]]:
    """How a task was evaluated, in words and as a value; older versions of the harness tell less."""

    def of_task(name: str) -> Any:
        found = document.get(name)
        return found.get(task) if isinstance(found, dict) else None

    shots = config.get("num_fewshot") if of_task("n-shot") is None else of_task("n-shot")
    if shots is not None:
        yield "examples", shots
    yield "limit", config.get("limit")
    if of_task("versions") is not None:
        yield "version", of_task("versions")
    samples = of_task("n-samples")
    if isinstance(samples, dict) and samples.get("effective") is not None:
        yield "samples", samples["effective"]


def _document(file: Path) -> tuple[dict[str, Any] | None, bytes, str]:
    """What a file holds, its bytes, and why it cannot be read."""
    try:
        data = file.read_bytes()
        return parse_json(data.decode("utf-8-sig")), data, ""
    except (ValueError, OSError, UnicodeDecodeError):
        return None, b"", "not valid JSON; is it cut off?"


def _is_result(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("results"), dict):
        return False
    return "config" in found or "versions" in found


def _checkpoint(
    document: dict[str, Any],
    data: bytes,
    file: Path,
    source: Path,
    top: Path,
    constants: Mapping[str, str],
    notes: Notes,
) -> _Checkpoint:
    """`source`: what was named, `file` itself or a folder above it; `top`: the folder that all that was named is in."""
    config = document["config"] if isinstance(document.get("config"), dict) else {}
    arguments = _arguments(config.get("model_args"))
    model = str(document.get("model_name") or "")
    model = next((arguments[key] for key in _MODEL if arguments.get(key)), model) or model
    here = file.relative_to(source).as_posix() if source.is_dir() else file.as_posix()
    found = _step(document, arguments, model, here, file)
    number, counts, branch = 0, steps.OPTIMISER, ""
    if found is not None:
        where, text, step = found
        try:
            number, counts = step.of(constants.get("step_unit"))
        except ValueError as error:
            raise TraceError(
                f"steps are to be {constants['step_unit']}: {error}", file=file
            ) from None
        if where == "revision":
            branch = _EPOCH.sub("", step.rest).strip("-_./ ")
        elif "step" not in constants:
            notes.add("steps", f"by the {where}, as {number:,} by {text!r}")
    elif "step" not in constants:
        raise TraceError(
            "the step cannot be determined from revision, model or path",
            file=file,
            fix="Put the file into a folder with the step in its name, such as step1000, or say --set step=NUMBER.",
        )
    in_name = steps.in_text(file.stem)
    if not model and in_name is not None:
        model = in_name.rest.strip("-_. ")
    below = PurePosixPath(file.resolve().relative_to(top.resolve()).as_posix()).parent.as_posix()
    in_model, in_folder = steps.in_text(model), steps.in_text(below)
    folder = in_folder.rest if in_folder is not None else below
    return _Checkpoint(
        file,
        document,
        (in_model.rest if in_model is not None else model).strip("/-_. "),
        branch,
        number,
        counts,
        folder.strip("/-_. "),
        _evaluated(document, file),
        hashlib.sha256(data).hexdigest(),
    )


def _step(
    document: dict[str, Any], arguments: dict[str, str], model: str, path: str, file: Path
) -> tuple[str, str, steps.Found] | None:
    """What tells the step, its text, and the step; None if nothing does. Raises `TraceError` where the path tells another."""
    candidates = (
        ("revision", arguments.get("revision", "")),
        ("model's name", model),
        ("model's name", str(document.get("model_name") or "")),
        ("path", path),
    )
    for where, text in candidates:
        step = steps.in_text(text)
        if step is None:
            continue
        in_path = steps.in_text(path)
        if (
            in_path is not None
            and None not in (step.step, in_path.step)
            and in_path.step != step.step
        ):
            raise TraceError(
                f"the step is {step.step} by {text!r}, and {in_path.step} by the file's path",
                file=file,
                fix="Correct one of them: rename the folder or file, or the model in the file.",
            )
        return where, text, step
    return None


def _evaluated(document: dict[str, Any], file: Path) -> str:
    """When a file was written, as its name or its document says; a text to order by."""
    written = _TIME.search(file.name)
    moment = _moment(document.get("date"))
    if written is None and moment is not None:
        return moment.strftime("%Y-%m-%dT%H-%M-%S")
    return written[0] if written else ""


def _moment(date: Any) -> datetime | None:
    """When a file says that it was written: seconds, or milliseconds, since 1970; None for anything else."""
    if not isinstance(date, int | float) or isinstance(date, bool):
        return None
    try:
        return datetime.fromtimestamp(date / 1000 if date > _MILLISECONDS else date, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _arguments(given: Any) -> dict[str, str]:
    """``model_args`` as a dictionary: a text of ``key=value`` with commas between them, or one already."""
    if isinstance(given, dict):
        return {str(key): str(value) for key, value in given.items()}
    parts = (part.partition("=") for part in str(given or "").split(","))
    return {key.strip(): value.strip() for key, equals, value in parts if equals}


def _names(found: Sequence[_Checkpoint], notes: Notes) -> dict[tuple[str, str], str]:
    """A run's name for each (model, folder): its model's, and the folder's too where one was evaluated into several.

    A model is called as the last part of its path, or by what differs in the paths if that is one for two of them.
    """
    keys = list(dict.fromkeys((one.model, one.folder) for one in found))
    apart: set[str] = set()
    for model in dict.fromkeys(model for model, _ in keys):
        folders = [folder for of, folder in keys if of == model]
        if len(folders) > 1 and _overlap([one for one in found if one.model == model]):
            apart.add(model)
            shown = few([folder or "." for folder in folders])
            notes.add("runs", f"{shown} hold the same steps of {model or 'the model'}: a run each")
    models = list(dict.fromkeys(model for model, _ in keys))
    last = [
        re.sub(r"[^A-Za-z0-9._+=-]+", "-", m.rpartition("/")[2]).strip("-") or "model"
        for m in models
    ]
    if len(set(last)) < len(last):
        last = differing([[part for part in model.split("/") if part] for model in models])
        notes.add(
            "runs", f"runs are named by what differs in the paths of their models: {few(last)}"
        )
    called = dict(zip(models, last, strict=True))
    inside = [key for key in keys if key[0] in apart and key[1]]
    folders = differing([folder.split("/") for _, folder in inside])
    ends = dict(zip(inside, folders, strict=True))
    return {key: called[key[0]] + (f"-{ends[key]}" if key in ends else "") for key in keys}


def _overlap(checkpoints: Sequence[_Checkpoint]) -> bool:
    """Whether two folders hold one task at one step."""
    seen: dict[tuple[int, str], str] = {}
    for one in checkpoints:
        for task in one.document["results"]:
            if seen.setdefault((one.step, task), one.folder) != one.folder:
                return True
    return False


def _metrics(one: _Checkpoint, notes: Notes) -> dict[str, list[Any]]:
    """Task, measure, value and stderr of each metric; what is none is named."""
    document = one.document
    results = {
        task: found for task, found in document["results"].items() if isinstance(found, dict)
    }
    others = [task for task in document["results"] if task not in results]
    if others:
        notes.add("left out", f"results of {few(others)}, which are no objects", one.file)
    groups = _groups(document)
    if groups:
        notes.add(
            "left out", f"groups {few(groups)}: means of tasks that are imported too", one.file
        )
    columns: dict[str, list[Any]] = {name: [] for name in ("task", "measure", "value", "stderr")}
    no_numbers: list[str] = []
    no_filter: list[str] = []
    for task, metrics in results.items():
        if task in groups:
            continue
        filtered = any(
            "," in name for name in metrics
        )  # since version 0.4 only metrics have a comma
        for name, value in metrics.items():
            metric, _, filter_ = name.partition(",")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if metric.endswith("_stderr"):
                continue
            if filtered and not filter_:
                if number and metric not in _NO_METRICS:
                    no_filter.append(f"{metric} of {task}")
                continue
            if not number:
                if metric not in _NO_METRICS:
                    no_numbers.append(f"{metric} of {task}")
                continue
            error = metrics.get(f"{metric}_stderr,{filter_}" if filter_ else f"{metric}_stderr")
            columns["task"].append(task)
            columns["measure"].append(metric if filter_ in ("", "none") else f"{metric},{filter_}")
            columns["value"].append(value)
            is_number = isinstance(error, int | float) and not isinstance(error, bool)
            columns["stderr"].append(error if is_number else None)
    if no_filter:
        text = f"{few(no_filter, COLUMNS)}: without a filter, beside others that have one"
        notes.add("left out", text, one.file)
    if no_numbers:
        notes.add("left out", f"{few(no_numbers, COLUMNS)}: no number", one.file)
    return columns


def _rows(one: _Checkpoint, run: str, notes: Notes) -> Rows:
    document, columns = one.document, _metrics(one, notes)
    n = len(columns["task"])
    for target in ("value", "stderr"):
        columns[target] = typed(target, columns[target], str(one.file), list(range(n)))
    if not n:
        raise TraceError("the results hold no number", file=one.file)
    columns |= {"run": [run] * n, "step": [one.step] * n}
    if one.unit != steps.OPTIMISER:
        columns["step_unit"] = [one.unit] * n
    config = document["config"] if isinstance(document.get("config"), dict) else {}
    parameters = config.get("model_num_parameters")
    if isinstance(parameters, int) and parameters > 0:
        columns["n_params"] = [parameters] * n
    moment = _moment(document.get("date"))
    if moment is not None:
        columns["created"] = [moment.isoformat(timespec="seconds")] * n
    kept = {k: v for k, v in config.items() if isinstance(v, str | int | float | bool)}
    kept.pop("model_args", None)  # it has the revision, which differs between checkpoints
    return Rows(
        str(one.file),
        columns,
        list(range(n)),
        config=kept,
        sha256=one.sha256,
        checkpoints=True,
        later="same",
    )


def _groups(document: dict[str, Any]) -> list[str]:
    """Groups whose tasks are in the results too, and so on for groups of groups."""
    results = document["results"]
    inside = document.get("group_subtasks")
    inside = inside if isinstance(inside, dict) else {}
    return [
        name
        for name in results
        if any(task in results for task in inside.get(name) or [])
        or (
            name in (document.get("groups") or {})
            and not inside.get(name)
            and any(
                task.startswith(f"{name}_") for task in results
            )  # as versions name them that list none
        )
    ]
