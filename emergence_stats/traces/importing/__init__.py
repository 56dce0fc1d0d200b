"""Bring traces of somebody else into a store: tables, W&B exports, TensorBoard, lm-evaluation-harness.

Each source is read into a table with the columns of `columns.TARGETS`, a row a measurement (`sources`),
and those are written run by run (`write`), all or none.
"""

from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.sources import FORMATS, read_sources
from emergence_stats.traces.importing.write import Imported, import_traces

__all__ = ["FORMATS", "Imported", "Mapping", "import_traces", "read_sources"]
