"""Import traces made elsewhere: tables, W&B exports, TensorBoard, lm-evaluation-harness.

Each source is read into a table with the columns of `columns.TARGETS`, one row per measurement
(`sources`); these are grouped by run (`gather`), checked, and written, all or none (`write`).
"""

from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.request import Request, Summary
from emergence_stats.traces.importing.sources import FORMATS, read_sources
from emergence_stats.traces.importing.write import Imported, import_traces

__all__ = ["FORMATS", "Imported", "Mapping", "Request", "Summary", "import_traces", "read_sources"]
