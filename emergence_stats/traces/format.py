"""The trace format, version 1: Parquet columns and the JSON manifest beside each file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from emergence_stats.errors import TraceError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
TEXT = ("run_id", "task", "measure")
REQUIRED = frozenset({"run_id", "step", "measure", "value"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")


@cache
def arrow_schema() -> pa.Schema:
    """Columns of a run's Parquet file, in the order in which they are written."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            pa.field(name, kind, nullable=name not in REQUIRED)
            for name, kind in (
                ("run_id", text),
                ("step", pa.int64()),
                ("task", text),
                ("level", pa.int16()),
                ("layer", pa.int16()),
                ("measure", text),
                ("value", pa.float64()),
                ("stderr", pa.float64()),
            )
        ]
    )


@dataclass(frozen=True)
class Manifest:
    """What is known about a run without opening its Parquet file.

    `config` holds everything that determines the run, and a number called seed in it is the manifest's;
    `created` is UTC, ISO 8601; `sha256` and `rows` describe the Parquet file. `further` keeps keys that this
    version does not know.
    """

    run_id: str
    suite: str
    scale: str
    n_params: int
    n_layers: int
    seed: int
    created: str
    config: Mapping[str, Any]
    software: Mapping[str, Any]
    device: str
    rows: int
    sha256: str
    schema_version: int = SCHEMA_VERSION
    further: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        fields = asdict(self)
        fields.update(fields.pop("further"))
        return json.dumps(fields, indent=2, sort_keys=True, allow_nan=False) + "\n"

    def check(self, file: object) -> None:
        """Raise `TraceError` if reading this manifest back would, before it is written to `file`."""
        try:
            fields = json.loads(self.to_json())
            json.dumps(fields, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise TraceError(
                f"the manifest cannot be written as JSON ({error})", file=file
            ) from None
        fault = _fault(fields)
        if fault is not None:
            raise TraceError(fault, file=file, fix="Nothing was written.")

    @classmethod
    def from_json(cls, text: str | bytes, file: object) -> Manifest:
        """Parse and check a manifest; `file` is named in the `TraceError` that a fault raises."""
        fix = "Restore the manifest, or remove the run with `emergence-stats traces rm`."
        try:
            fields = json.loads(text, parse_constant=_no_number)
            json.dumps(fields, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else error
            raise TraceError(
                f"the manifest is not valid JSON ({what})", file=file, fix=fix
            ) from None
        if not isinstance(fields, dict):
            raise TraceError("the manifest is not a JSON object", file=file, fix=fix)
        schema_version = fields.get("schema_version")
        if schema_version != SCHEMA_VERSION or isinstance(schema_version, bool):
            raise TraceError(
                f"schema_version is {schema_version!r}, but this version of "
                f"emergence-stats reads {SCHEMA_VERSION}",
                file=file,
                fix="Install the version that wrote it, or write the run again.",
            )
        fault = _fault(fields)
        if fault is not None:
            raise TraceError(fault, file=file, fix=fix)
        known = {name: fields.pop(name) for name in _MANIFEST_TYPES}
        fields.pop("schema_version")
        return cls(**known, further=fields)

    @property
    def step_unit(self) -> str:
        """What its steps count: optimiser steps, unless the manifest says otherwise."""
        return str(self.further.get("step_unit", "optimiser steps"))

    @property
    def log10_params(self) -> float:
        return math.log10(self.n_params)


_MANIFEST_TYPES: dict[str, type] = {
    "run_id": str,
    "suite": str,
    "scale": str,
    "n_params": int,
    "n_layers": int,
    "seed": int,
    "created": str,
    "config": dict,
    "software": dict,
    "device": str,
    "rows": int,
    "sha256": str,
}
_RANGES = {
    "n_params": (1, 2**63 - 1),
    "n_layers": (0, 2**15 - 2),  # layers are 0 to L + 1, in 16 bits
    "seed": (-(2**63), 2**63 - 1),
    "rows": (0, 2**63 - 1),
}
_LONGEST_NAME = 200  # characters; a file's name has 255 bytes, and a run's has more around it
_KIND_NAME = {str: "text", int: "a whole number", dict: "an object"}


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number of JSON")


def _fault(fields: Mapping[str, Any]) -> str | None:
    """What is wrong with the fields of a manifest, None if nothing is."""
    missing = [name for name in _MANIFEST_TYPES if name not in fields]
    if missing:
        return f"the manifest lacks {', '.join(missing)}"
    for name, kind in _MANIFEST_TYPES.items():
        value = fields[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"manifest field {name!r} is {value!r}, not {_KIND_NAME[kind]}"
    for name in ("run_id", "suite", "scale", "device"):
        if not fields[name].isprintable() or not fields[name].strip():
            return f"manifest field {name!r} is {fields[name]!r}; it is text that can be printed"
    for name in ("run_id", "suite"):
        if not _NAME.fullmatch(fields[name]) or len(fields[name]) > _LONGEST_NAME:
            return f"manifest field {name!r} is {fields[name][:40]!r}, which cannot be a file name"
    for name, (least, most) in _RANGES.items():
        if not least <= fields[name] <= most:
            shown = str(fields[name]) if abs(fields[name]) < 10**20 else "too large"
            return f"manifest field {name!r} is {shown}; it is between {least} and {most}"
    seed = fields["config"].get("seed")
    number = isinstance(seed, int | float) and not isinstance(seed, bool)
    if number and seed != fields["seed"]:  # a run of another seed under a planned seed's name
        return f"the manifest has seed {fields['seed']}, but its config has seed {seed}"
    try:
        datetime.fromisoformat(fields["created"])
    except ValueError:
        return f"manifest field 'created' is {fields['created']!r}, not ISO 8601"
    if not re.fullmatch(r"[0-9a-f]{64}", fields["sha256"]):
        return "manifest field 'sha256' is not 64 hexadecimal digits"
    return None


def check_name(name: str, what: str) -> str:
    """A suite or run name becomes a file name, so only harmless characters are allowed."""
    if not _NAME.fullmatch(name):
        raise TraceError(
            f"{what} {name!r} cannot be a file name",
            fix="Use letters, digits and . _ + = -, beginning with a letter or digit.",
        )
    if len(name) > _LONGEST_NAME:
        raise TraceError(
            f"{what} {name[:40]!r}... has {len(name)} characters",
            fix=f"Use at most {_LONGEST_NAME}.",
        )
    return name


def pending_manifest_name(run_id: str) -> str:
    """The manifest's name while its run is being written."""
    return f".{run_id}.json.pending"
