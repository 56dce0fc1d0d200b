"""One run as an estimate sees it: its manifest, and its traces as arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from emergence_stats.traces.format import Manifest

KEY_COLUMNS = ("measure", "task", "level", "layer")  # what tells one trace of a run from another
NONE = -1  # stands for a null level or layer in integer arrays


class Undefined(Exception):
    """Raised by an estimate where a run has no value, with the reason; the report lists it."""


@dataclass(frozen=True)
class TraceSet:
    """The traces of one measure of one run, sorted by task, level and layer.

    `task` (n,), `level` (n,), `layer` (n,): the key of each trace, `NONE` or "" for null.
    `steps`, `values`, `stderr` (n, k): padded to the longest trace by repeating its last point;
    `length` (n,) says how many are real.
    """

    measure: str
    task: NDArray[np.str_]
    level: NDArray[np.int64]
    layer: NDArray[np.int64]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    stderr: NDArray[np.float64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.task)

    def task_levels(self) -> list[tuple[str, int]]:
        """Task and level of each trace, in order."""
        return [(str(t), int(v)) for t, v in zip(self.task, self.level, strict=True)]

    def select(self, mask: NDArray) -> TraceSet:
        """The traces where `mask` (n,) is true, or those at an array of indices, in its order."""
        return TraceSet(
            measure=self.measure,
            task=self.task[mask],
            level=self.level[mask],
            layer=self.layer[mask],
            steps=self.steps[mask],
            values=self.values[mask],
            stderr=self.stderr[mask],
            length=self.length[mask],
        )


class Run:
    """One training run. Attributes of the manifest, and `traces` by measure.

    `table` holds rows of the trace format, already checked.
    """

    def __init__(self, manifest: Manifest, table: pa.Table) -> None:
        self.manifest = manifest
        self._table = table
        self._cache: dict[Any, Any] = {}

    def __repr__(self) -> str:
        return f"Run({self.run_id!r})"

    @property
    def run_id(self) -> str:
        return self.manifest.run_id

    @property
    def scale(self) -> str:
        return self.manifest.scale

    @property
    def seed(self) -> int:
        return self.manifest.seed

    @property
    def n_params(self) -> int:
        return self.manifest.n_params

    @property
    def n_layers(self) -> int:
        return self.manifest.n_layers

    @property
    def measures(self) -> frozenset[str]:
        return frozenset(self._by_measure())

    def replacing(self, traces: Mapping[str, TraceSet]) -> Run:
        """This run with the traces of some measures replaced, by measure; itself as it was."""
        changed = Run(self.manifest, self._table)
        changed._cache["traces by measure"] = {**self._by_measure(), **traces}
        return changed

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """`make()`, computed once for `key` in this run: hypotheses share events."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def traces(
        self,
        measure: str,
        *,
        layers: Collection[int] | str | None = None,
        tasks: bool | str | Collection[str] | None = None,
    ) -> TraceSet:
        """The traces of `measure`.

        `layers`: numbers, or "blocks" (1 to L, each of them), "final" (the last block, L), "all" (0 to L + 1).
        `tasks`: True for those of a task-level, False for those of the whole model; or the name of a task, or several.
        Raises `Undefined` where the run has none of them, or with "blocks" not those of every block: what is read as
        an order of all blocks is then another.
        """
        whole = self._by_measure().get(measure)
        if whole is None:
            raise Undefined(f"run {self.run_id} has no {measure!r}")
        mask = np.ones(len(whole), bool)
        if layers is not None:
            mask &= np.isin(whole.layer, self._layer_numbers(layers))
        if tasks is not None:
            mask &= _of_tasks(whole, tasks)
        if not mask.any():
            raise Undefined(
                f"run {self.run_id} has {measure!r}, but {self._why_not(whole, layers, tasks)}"
            )
        if layers == "blocks":
            self._check_blocks(whole, mask)
        return whole if mask.all() else whole.select(mask)

    def _why_not(
        self,
        whole: TraceSet,
        layers: Collection[int] | str | None,
        tasks: bool | str | Collection[str] | None,
    ) -> str:
        """Why none of these traces is what was asked for."""
        if layers is not None:
            wanted = self._layer_numbers(layers)
            if not np.isin(whole.layer, wanted).any():
                return f"only at {_layers_named(whole.layer)}, and the claim needs {_layers_named(wanted)}"
        there = ", ".join(sorted({str(task) for task in whole.task} - {""}))
        if there and tasks:
            return f"of tasks {there}, and not what was asked for ({tasks!r})"
        return "only of the whole model" if tasks else "of task-levels alone"

    def _check_blocks(self, whole: TraceSet, mask: NDArray[np.bool_]) -> None:
        """Raise `Undefined` unless each task-level, or the whole model, has a trace of every block."""
        layers = whole.layer[mask]  # sorted by task, level and layer
        every = np.arange(1, self.n_layers + 1)
        if len(layers) % self.n_layers or (layers.reshape(-1, self.n_layers) != every).any():
            raise Undefined(
                f"run {self.run_id} has {whole.measure!r} only at {_layers_named(layers)}, or not of every task-level, and "
                f"the claim needs all {self.n_layers} blocks"
            )

    def _layer_numbers(self, layers: Collection[int] | str) -> list[int]:
        named = {
            "blocks": range(1, self.n_layers + 1),
            "final": [self.n_layers],
            "all": range(self.n_layers + 2),
        }
        if isinstance(layers, str):
            if layers not in named:
                raise ValueError(f"layers={layers!r}; names are {', '.join(named)}")
            return list(named[layers])
        return list(layers)

    def _by_measure(self) -> dict[str, TraceSet]:
        return self.cached("traces by measure", lambda: _split(self._table))


def _of_tasks(traces: TraceSet, tasks: bool | str | Collection[str]) -> NDArray[np.bool_]:
    """Which traces are of task-levels (True), of the whole model (False), or of the named tasks (n,)."""
    if isinstance(tasks, bool):
        return (traces.task != "") == tasks
    return np.isin(traces.task, [tasks] if isinstance(tasks, str) else list(tasks))


def _layers_named(layers: Collection[int] | NDArray[np.int64]) -> str:
    """Layers in words: "layer 19", "layers 1, 2, 3", "no layer"."""
    found = sorted({int(layer) for layer in layers if layer != NONE})
    if not found:
        return "no layer"
    if len(found) > 8:
        return f"layers {found[0]} to {found[-1]}"
    return f"layer{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


def _split(table: pa.Table) -> dict[str, TraceSet]:
    """All traces of a checked table, by measure."""
    if table.num_rows == 0:
        return {}
    trace = trace_codes(table)
    step = table.column("step").to_numpy()
    order = np.lexsort((step, trace))
    trace, step = trace[order], step[order]
    value = table.column("value").to_numpy()[order]
    stderr = table.column("stderr").to_numpy()[order]  # null becomes NaN
    starts = np.flatnonzero(np.r_[True, np.diff(trace) != 0])
    lengths = np.diff(np.r_[starts, len(trace)])
    heads = order[starts]
    measure, task, level, layer = (
        _keys(table, name, heads) for name in ("measure", "task", "level", "layer")
    )
    result = {}
    for name in np.unique(measure):
        which = np.flatnonzero(measure == name)
        which = which[np.lexsort((layer[which], level[which], task[which]))]
        length = lengths[which]
        # Column j of row i: the j-th point of trace i, or its last one beyond the end.
        at = starts[which, None] + np.minimum(np.arange(length.max()), length[:, None] - 1)
        result[str(name)] = TraceSet(
            str(name), task[which], level[which], layer[which],
            step[at], value[at], stderr[at], length,
        )  # fmt: skip
    return result


def _keys(table: pa.Table, name: str, rows: NDArray[np.int64]) -> NDArray:
    index, values = codes(table.column(name))
    numeric = name in ("level", "layer")
    filled = [(NONE if numeric else "") if v is None else v for v in values]
    return np.array(filled, dtype=np.int64 if numeric else np.str_)[index[rows]]


# --- columns of a table as arrays ---------------------------------------------------------------


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text without dictionary encoding; other columns as they are."""
    import pyarrow as pa

    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[Any]]:
    """Integer codes (rows,) of a column and the values that they stand for, null included.

    Not every value need occur.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type):
        known = pc.is_valid(column).to_numpy(zero_copy_only=False)
        number = pc.fill_null(column, 0).to_numpy().astype(np.int64)
        lo, hi = (int(number.min()), int(number.max())) if len(number) else (0, 0)
        return np.where(known, number - lo, hi - lo + 1), [*range(lo, hi + 1), None]
    if pa.types.is_dictionary(column.type):
        array = column.unify_dictionaries().combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0)
        values = array.dictionary.to_pylist()
        if len(set(values)) == len(values):
            index = pc.fill_null(array.indices, len(values)).to_numpy(zero_copy_only=False)
            return index, [*values, None]
    encoded = pc.dictionary_encode(plain(column), null_encoding="encode").combine_chunks()
    return encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def trace_codes(table: pa.Table) -> NDArray[np.int64]:
    """One integer per row (rows,), equal for rows of the same measure, task, level and layer."""
    combined = np.zeros(table.num_rows, np.int64)
    for name in KEY_COLUMNS:
        index, values = codes(table.column(name))
        combined = combined * (len(values) + 1) + index
    return combined
