"""The report as one HTML file that needs nothing else: no network, no other file, no script to read it."""

from emergence_stats.reports.html.page import page
from emergence_stats.reports.html.provenance import Provenance
from emergence_stats.reports.html.sections import Background

__all__ = ["Background", "Provenance", "page"]
