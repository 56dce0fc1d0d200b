"""A run of published checkpoints: each is fetched, measured and let go, one at a time.

A checkpoint whose weights are those of another tells nothing of its own step, since nothing says which of the two it is: published
revisions are known to repeat. It is left out, with the reason in the manifest, but for two that are known: step 0, and the last.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emergence_stats.errors import CollectError
from emergence_stats.recorder.provenance import device_name, software
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.importing.steps import OPTIMISER

from ..checkpoints.readings import Reading, to_table
from ..engines.partial import RunInProgress, ends_well
from ..engines.task import StepProgress, Task, say
from ..engines.workplace import Workplace
from ..suites import Published, PublishedSuite
from .checkpoints import (
    NoRevisionError,
    checkpoint,
    digest_of,
    files_of,
    load_model,
    load_tokenizer,
)
from .encoding import Tokens, check_tokens
from .evaluation import Evaluation, rows_of_text, weight_norm
from .items import Items, digest_of_items, shipped_items
from .rows import reader_of

AT_A_TIME = (
    16  # items: the scores of a vocabulary of 50,000 tokens take the memory that the weights leave
)
_READING = 2  # of how a model is read: 1 put nothing before a context, and held two items to rows; states of two are no one run
_NOT_FINITE = "has weights that are not finite"
_TEXT = "general"  # the set whose sentences the loss on text is taken of


def train(task: Task, progress: StepProgress | None = None, items: Items | None = None) -> Manifest:
    """Measure all checkpoints of a model and write its run; go on where an earlier process was killed.

    `items`: other probes than the shipped ones. Raises `CollectError`.
    """
    suite, _ = _declared(task)
    work = Workplace.of(task.store, task.scratch)
    with ends_well(task, work), RunInProgress(work.scratch, task) as partial:
        run = _Run(task, partial, shipped_items() if items is None else items)
        for _ in range(2):  # a later checkpoint may tell how the earlier ones have to be read
            for step, revision in suite.revisions:
                run.measure(step, revision, progress)
        return run.write(work)


def _declared(task: Task) -> tuple[PublishedSuite, Published]:
    assert isinstance(task.suite, PublishedSuite)
    assert isinstance(task.scale, Published)
    return task.suite, task.scale


class _Run:
    """What is known of a run so far. `state` is what is saved."""

    def __init__(self, task: Task, partial: RunInProgress, items: Items) -> None:
        self._suite, self._scale = _declared(task)
        self._repository = self._suite.repository(self._scale, task.seed)
        self._task, self._partial, self._items = task, partial, items
        self._device = torch.device(task.device)
        self._evaluation: Evaluation | None = None
        self._config = {
            **task.suite.config(task.scale, task.seed),
            "items": digest_of_items(items),
            "precision": "float32",
            "reading": _READING,
        }
        fresh = {"readings": {}, "digests": {}, "files": {}, "seconds": 0.0, "n_params": 0}
        # what is measured of other revisions is of use later
        saved = partial.resume(self._config, apart={"revisions"}) or {}
        # what was absent may be there by now, and states of an older version have no files
        self._state: dict[str, Any] = {**fresh, **saved, "config": self._config, "absent": {}}

    def measure(self, step: int, revision: str, progress: StepProgress | None) -> None:
        """Measure a checkpoint, unless that was done before, of the weights that it has now."""
        state, task = self._state, self._task
        files = files_of(self._repository, revision)
        measured = revision in state["digests"] and not self._touched(revision, files)
        if measured or revision in state["absent"]:
            return
        began = time.monotonic()
        try:
            with checkpoint(self._repository, revision, self._partial.folder / "fetched") as at:
                self._measure(at, revision)
            state["files"][revision] = files
        except NoRevisionError as error:
            for of_other_weights in (state["readings"], state["digests"]):
                of_other_weights.pop(revision, None)
            state["absent"][revision] = str(error)
        state["seconds"] += time.monotonic() - began
        self._partial.save(state)
        if progress is not None:
            progress(step, task.suite.last_step, self._loss(revision))

    def _touched(self, revision: str, files: list[tuple[str, int, int]] | None) -> bool:
        """Whether the files of a checkpoint are not those that it was measured of, as of a model that was trained again."""
        before = self._state["files"].get(revision)
        return before is not None and files is not None and before != files

    def _measure(self, at: Path, revision: str) -> None:
        state = self._state
        model = load_model(at, self._device)
        self._check(model, revision)
        self._evaluation = self._evaluation_of(at, revision, model)
        digest, before = digest_of(model), state["digests"].get(revision)
        if before == digest:  # files that were copied, or touched
            return
        if before is not None:
            say(
                f"{self._task.run_id}: {revision} has other weights than when it was measured, and is measured again"
            )
        state["readings"][revision] = self._read(model)
        state["digests"][revision] = digest
        state["n_params"] = sum(p.numel() for p in model.parameters())

    def _loss(self, revision: str) -> float:
        """That on text, NaN for a checkpoint that is left out."""
        readings = self._state["readings"].get(revision, ())
        return next(
            (float(r.values) for r in readings if r.name == "loss" and r.values.ndim == 0), math.nan
        )

    def _check(self, model: Any, revision: str) -> None:
        """Raise `CollectError` for another model than the suite declares, and `NoRevisionError` for one that is no model."""
        if not all(torch.isfinite(p).all() for p in model.parameters()):
            raise NoRevisionError(f"{revision} {_NOT_FINITE}")
        config = model.config.get_text_config()
        found = (config.num_hidden_layers, config.hidden_size)
        if found != (self._scale.layers, self._scale.width):
            raise CollectError(
                f"{self._repository}, {revision}: {found[0]} blocks of width {found[1]}, and {self._scale.name} has "
                f"{self._scale.layers} of {self._scale.width}"
            )

    def _evaluation_of(self, at: Path, revision: str, model: Any) -> Evaluation:
        """The items as this model reads them; how it does is kept with the run, whose checkpoints have to agree in it. Raises `CollectError`
        for one that reads them otherwise than those before.
        """
        try:
            tokenizer = load_tokenizer(at)
        except CollectError:
            if self._evaluation is None:
                raise
            return self._evaluation  # that of the others: it lies beside one of them

        tokens = Tokens.of(self._items, _TEXT, tokenizer)
        check_tokens(tokens.probes, tokens.text, model)
        if self._state.setdefault("tokens", tokens.digest) != tokens.digest:
            raise CollectError(
                f"{self._repository}, {revision}: its tokenizer makes other tokens of the items than that of the checkpoints before, so that "
                "they are no one run. Leave it out, with --revisions, or put the tokenizer right; if all of them were made anew, remove "
                f"{self._partial.folder}"
            )
        self._state["first_tokens"] = tokens.before
        text = rows_of_text(tokens.text, self._device)
        return Evaluation(tokens.probes, text, self._device, AT_A_TIME)

    def _read(self, model: Any) -> list[Reading]:
        assert self._evaluation is not None
        state, run_id, norm = self._state, self._task.run_id, weight_norm(model)
        reader = reader_of(model, self._evaluation.probes, self._device, state.get("by_rows"))
        if reader.by_rows and "by_rows" not in state:
            again = f", those before again ({len(state['readings'])})" if state["readings"] else ""
            say(
                f"{run_id}: each option is read in a row of its own, which takes longer{again}: {reader.by_rows}"
            )
            state |= {"by_rows": reader.by_rows, "readings": {}, "digests": {}}
        return self._evaluation.measure(reader, norm)

    def _check_absent(self) -> None:
        """Raise `CollectError` if most revisions are of no use: a run of so few checkpoints would be taken for a whole one."""
        absent, declared = self._state["absent"], self._suite.revisions
        if len(absent) <= len(declared) / 2:
            return
        broken = [revision for revision, why in absent.items() if _NOT_FINITE in why]
        lacking = [revision for revision in absent if revision not in broken]
        said = [f"lacks, among others, {', '.join(lacking[:3])}"] if lacking else []
        said += [f"weights that are not finite in {', '.join(broken[:3])}"] if broken else []
        raise CollectError(
            f"run {self._task.run_id}: {self._repository} has {len(declared) - len(absent)} of the {len(declared)} revisions of suite "
            f"{self._suite.name} that can be read, and {' and '.join(said)}. Put them there, or say with --revisions which are meant, and "
            "collect again: what is measured is kept"
        )

    def write(self, work: Workplace) -> Manifest:
        """Write the run. Raises `CollectError` if no checkpoint is left."""
        state, task = self._state, self._task
        steps = {revision: step for step, revision in self._suite.revisions}
        digests = {steps[r]: digest for r, digest in state["digests"].items() if r in steps}
        repeated = repeats(digests, self._suite.final_step)
        usable = [r for r in steps if r in state["readings"] and steps[r] not in repeated]
        said = {**{r: repeated[steps[r]] for r in steps if steps[r] in repeated}, **state["absent"]}
        if not usable:
            why = next(iter(said.values()), "there are no revisions")
            raise CollectError(f"run {task.run_id}: no checkpoint can be used ({why})")
        self._check_absent()
        if said:
            say(f"{task.run_id}: {_left_out(repeated, state['absent'])}")
        not_finite = {r: names for r in usable if (names := _not_finite(state["readings"][r]))}
        for revision, names in not_finite.items():
            say(
                f"{task.run_id}: values of {revision} that are not finite are left out, of {', '.join(names)}"
            )
        address = self._suite.address(self._scale, task.seed)
        readings = [(steps[r], one) for r in usable for one in state["readings"][r]]
        manifest = work.write(
            to_table(readings, list(self._items)),
            run_id=task.run_id,
            suite=task.suite.name,
            scale=task.scale.name,
            n_params=state["n_params"],
            n_layers=task.scale.layers,
            seed=task.seed,
            config=self._config,
            software={**software(), "transformers": version("transformers")},
            device=device_name(self._device),
            further={
                "seconds": round(state["seconds"], 1),
                "seconds_measuring": round(state["seconds"], 1),
                "threads": torch.get_num_threads(),
                "checkpoints": {r: state["digests"][r] for r in usable},
                **({"folder": self._repository} if self._repository != address else {}),
                **({"left_out": said} if said else {}),
                **({"not_finite": not_finite} if not_finite else {}),
                **{k: state[k] for k in ("by_rows", "first_tokens") if state.get(k)},
                **({"step_unit": unit} if (unit := self._suite.step_unit) != OPTIMISER else {}),
            },
        )
        self._partial.remove()
        return manifest


def repeats(digests: Mapping[int, str], last: int | None = None) -> dict[int, str]:
    """The steps whose weights are those of another, and why each is left out. Of equal ones step 0 is kept, or the last.

    `digests`: of the weights, by step. `last`: the step at which training ended, by default the largest; one that comes before
    it, where that is absent, is known no better than others.
    """
    if not digests:
        return {}
    count, ends = Counter(digests.values()), (0, max(digests) if last is None else last)
    found = {}
    for step, digest in sorted(digests.items()):
        known = [s for s in ends if digests.get(s) == digest]
        if count[digest] > 1 and known != [step]:
            others = [str(s) for s, d in sorted(digests.items()) if d == digest and s != step]
            shown = ", ".join(others[:3]) + (
                f" and {len(others) - 3} more" if len(others) > 3 else ""
            )
            found[step] = f"step {step} has the weights of step {shown}"
    return found


def _not_finite(readings: Sequence[Reading]) -> list[str]:
    """The measures that have values that are not finite."""
    return sorted({r.name for r in readings if not np.isfinite(r.values).all()})


def _left_out(repeated: Mapping[int, str], absent: Mapping[str, str]) -> str:
    """In a line: which checkpoints are left out because they repeat, and how many because they are not there."""
    parts = list(repeated.values())[:5]
    if len(repeated) > 5:
        parts.append(f"{len(repeated) - 5} more repeat others")
    if absent:
        more = (
            ""
            if len(absent) == 1
            else f", and {len(absent) - 1} more that are not there or not finite"
        )
        parts.append(f"{next(iter(absent.values()))}{more}")
    return f"{len(repeated) + len(absent)} checkpoints left out: {'; '.join(parts)}"
