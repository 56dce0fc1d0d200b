"""The trace format, version 1: Parquet columns and the JSON manifest beside each file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from emergence_stats.errors import TraceError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
KEY_COLUMNS = ("measure", "task", "level", "layer")
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
    """What is known of a run without opening its Parquet file.

    `config` holds all that determines the run; `created` is UTC, ISO 8601; `sha256` and `rows`
    describe the Parquet file. `further` keeps keys that this version does not know.
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

    @classmethod
    def from_json(cls, text: str | bytes, file: object) -> Manifest:
        """Parse and check a manifest; `file` is named in the `TraceError` that a fault raises."""

        def bad(problem: str) -> TraceError:
            return TraceError(
                problem, file=file, fix="Restore the manifest or remove the run's two files."
            )

        try:
            fields = json.loads(text)
        except (ValueError, UnicodeDecodeError) as error:
            raise bad(f"the manifest is not valid JSON ({error})") from None
        if not isinstance(fields, dict):
            raise bad("the manifest is not a JSON object")
        schema_version = fields.get("schema_version")
        if schema_version != SCHEMA_VERSION or isinstance(schema_version, bool):
            raise TraceError(
                f"schema_version is {schema_version!r}, and this version of "
                f"emergence-stats reads {SCHEMA_VERSION}",
                file=file,
                fix="Install the version that wrote it, or write the run again.",
            )
        missing = [name for name in _MANIFEST_TYPES if name not in fields]
        if missing:
            raise bad(f"the manifest lacks {', '.join(missing)}")
        for name, kind in _MANIFEST_TYPES.items():
            value = fields[name]
            if not isinstance(value, kind) or isinstance(value, bool):
                raise bad(f"manifest field {name!r} is {value!r}, not {_KIND_NAME[kind]}")
        for name in ("n_params", "n_layers", "rows"):
            if fields[name] < 0 or (name == "n_params" and fields[name] == 0):
                raise bad(f"manifest field {name!r} is {fields[name]}")
        try:
            datetime.fromisoformat(fields["created"])
        except ValueError:
            raise bad(f"manifest field 'created' is {fields['created']!r}, not ISO 8601") from None
        if not re.fullmatch(r"[0-9a-f]{64}", fields["sha256"]):
            raise bad("manifest field 'sha256' is not 64 hexadecimal digits")
        known = {name: fields.pop(name) for name in _MANIFEST_TYPES}
        fields.pop("schema_version")
        return cls(**known, further=fields)

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
_KIND_NAME = {str: "text", int: "a whole number", dict: "an object"}


def check_name(name: str, what: str) -> str:
    """A suite or run name becomes a file name, so only harmless characters are allowed."""
    if not _NAME.fullmatch(name):
        raise TraceError(
            f"{what} {name!r} cannot be a file name",
            fix="Use letters, digits and . _ + = -, beginning with a letter or digit.",
        )
    return name


def pending_manifest_name(run_id: str) -> str:
    """The manifest's name while its run is being written."""
    return f".{run_id}.json.pending"
