"""Import traces made elsewhere: tables, W&B exports, TensorBoard, lm-evaluation-harness.

Each source is read into a table with the columns of `columns.TARGETS`, one row per measurement
(`sources`, with a reader for each kind in `readers/`); these are grouped by run (`runs/`), checked, and written, all
or none (`write`). What is done beside taking rows as they are is said (`notes`).
"""

from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.request import Request, Summary
from emergence_stats.traces.importing.sources import FORMATS, Reading, read_sources
from emergence_stats.traces.importing.write import Choices, Imported, import_traces

__all__ = [
    "FORMATS",
    "Choices",
    "Imported",
    "Mapping",
    "Reading",
    "Request",
    "Summary",
    "import_traces",
    "read_sources",
]
