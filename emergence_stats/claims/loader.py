"""Modules of a claims folder are imported from their source, which is what a registration digests.

Python would take compiled code from ``__pycache__`` without looking whether it belongs to the source, or
take it for current when a file changes within a second.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType

PREFIX = "emergence_stats_hypotheses_"


class _FromSource(SourceFileLoader):
    """Reads and writes no compiled code."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Like Python's own, for modules of claims folders. Raises `ImportError` for one without source."""
        if not fullname.startswith(PREFIX) or path is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None:
            return None
        if isinstance(spec.loader, SourcelessFileLoader):
            raise ImportError(f"{spec.origin} is compiled code without a source", name=fullname)
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader = _FromSource(spec.loader.name, spec.loader.path)
            spec.cached = None
        return spec


def import_from_source() -> None:
    """From now on modules whose package begins with `PREFIX` come from source alone."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
