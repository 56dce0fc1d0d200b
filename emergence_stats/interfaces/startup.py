"""What the command line does to keep quick commands quick."""

from __future__ import annotations

import sys


class _WithoutPandas:
    """An import finder that hides pandas."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ImportError(name)


def import_pyarrow() -> None:
    """Import pyarrow without pandas.

    pyarrow imports pandas, if it is installed, when it makes its first array: a quarter of a
    second, for conversions that no command here uses. `to_pandas` later makes pyarrow look for
    pandas again, and if a hypothesis has imported pandas nothing is hidden.
    """
    if "pandas" in sys.modules:
        return
    finder = _WithoutPandas()
    sys.meta_path.insert(0, finder)
    try:
        import pyarrow as pa

        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
