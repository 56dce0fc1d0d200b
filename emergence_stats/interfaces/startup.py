"""What the command line does so that a short command stays short."""

from __future__ import annotations

import sys


class _WithoutPandas:
    """An import finder to which pandas is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ImportError(name)


def import_pyarrow() -> None:
    """Import pyarrow, and not pandas with it.

    pyarrow imports pandas, where it is installed, at the first array that it makes: a quarter of
    a second, for conversions that no command of ours asks for. `to_pandas` later makes pyarrow
    look for pandas again, and where a hypothesis has imported pandas nothing is kept from it.
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
