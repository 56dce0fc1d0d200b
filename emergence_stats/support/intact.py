"""Whether the functions of this package are still those of its source files.

A claim is imported into the process that judges it, and Python lets it replace any function there. That is
an error here, whether by intent or by a patch left behind. Compared are the code of functions and methods
with that of the source files, and names that a module imports with what they are where they come from.
Replaced constants, defaults and what lies inside other packages are not seen.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import inspect
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from emergence_stats.errors import HypothesisError

PACKAGE = __name__.partition(".")[0]


def check_intact(hypotheses: Iterable[str]) -> None:
    """Raise `HypothesisError` if one of these, named for the message, replaced code that judges it or others."""
    changed = replaced()
    if changed:
        raise HypothesisError(
            f"{', '.join(hypotheses)}: a hypothesis or something it imports replaced {', '.join(changed)}, so "
            "there is no verdict. Leave the framework as it is; test each alone to see which it was"
        )


def replaced() -> list[str]:
    """Dotted names of functions and methods of this package, in loaded modules, that something replaced."""
    found = []
    for name, module in sorted(sys.modules.items()):
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            found += [f"{name}.{changed}" for changed in _replaced_in(module)]
    return found


def _replaced_in(module: ModuleType) -> Iterator[str]:
    code = _code(module.__name__)
    if code is None:
        return
    names = vars(module)
    exact = "@pytest_ar" not in names  # pytest rewrote the module's assertions
    yield from _differing(names, _definitions(code), "", exact)
    for name, (home, its_name) in _imported(code).items():
        origin = vars(sys.modules[home]) if home in sys.modules else {}
        if name in names and its_name in origin and names[name] is not origin[its_name]:
            yield name


@functools.cache
def _code(module: str) -> CodeType | None:
    """The code of a module's source file, None if there is none."""
    loader: Any = getattr(sys.modules[module].__spec__, "loader", None)
    file = getattr(sys.modules[module], "__file__", None)
    if not hasattr(loader, "get_code") and file is not None:  # that of pytest
        loader = SourceFileLoader(module, file)
    return loader.get_code(module) if hasattr(loader, "get_code") else None


_known: dict[int, tuple[CodeType, dict[str, tuple[CodeType, ...]]]] = {}


def _definitions(code: CodeType) -> dict[str, tuple[CodeType, ...]]:
    """Functions and classes that the body of a module or class defines, by name.

    Found once for each code and not for each of equal codes: two files may hold the same.
    """
    if id(code) not in _known:
        _known[id(code)] = (
            code,
            _found_in(code),
        )  # the code is kept, so that its id is not used again
    return _known[id(code)][1]


def _found_in(code: CodeType) -> dict[str, tuple[CodeType, ...]]:
    found: dict[str, tuple[CodeType, ...]] = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and not constant.co_name.startswith("<"):
            found[constant.co_name] = (*found.get(constant.co_name, ()), constant)
    return found


@functools.cache
def _imported(code: CodeType) -> dict[str, tuple[str, str]]:
    """Names that the body of a module takes from another, each with that module and its name there."""
    found: dict[str, tuple[str, str]] = {}
    home = taken = ""
    for instruction in dis.get_instructions(code):
        match instruction.opname:
            case "EXTENDED_ARG":
                continue
            case "IMPORT_NAME":
                home, taken = str(instruction.argval), ""
            case "IMPORT_FROM" if home:
                taken = str(instruction.argval)
            case "STORE_NAME" if taken:
                found[str(instruction.argval)] = (home, taken)
                taken = ""
            case _:  # also within ``import a.b as c``, which takes a module and no name of it
                home = taken = ""
    return found


def _differing(
    names: Any, written: dict[str, tuple[CodeType, ...]], prefix: str, exact: bool
) -> Iterator[str]:
    for name, codes in written.items():
        if name not in names:
            continue
        value = names[name]
        bodies = [code for code in codes if not code.co_flags & inspect.CO_OPTIMIZED]
        if isinstance(value, type) and value.__name__ in {code.co_name for code in bodies}:
            for code in bodies:
                inside = _definitions(code)
                yield from (f"{prefix}{name}.{lost}" for lost in inside if lost not in vars(value))
                yield from _differing(vars(value), inside, f"{prefix}{name}.", exact)
        elif not any(_same(_code_of(value), code, exact) for code in codes):
            yield prefix + name


def _code_of(value: Any) -> CodeType | None:
    """The code of a function, beneath what decorators of the standard library and of this package put around it.

    A wrapper of anybody else is what is compared, whatever it says that it wraps.
    """
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    elif isinstance(value, classmethod | staticmethod):
        value = value.__func__
    while hasattr(value, "__wrapped__"):
        code = getattr(value, "__code__", None)
        if code is not None and not _is_wrapper(code):
            break
        value = value.__wrapped__
    return getattr(value, "__code__", None)


def _is_wrapper(code: CodeType) -> bool:
    """Whether a function is what a decorator of the standard library or of this package returns."""
    if code.co_filename in (contextlib.__file__, functools.__file__):
        return True
    homes = (name for name in sys.modules if name.startswith(f"{PACKAGE}."))
    bodies = (_code(name) for name in homes)
    decorators = (
        codes for body in bodies if body is not None for codes in _definitions(body).values()
    )
    return any(code in decorator.co_consts for codes in decorators for decorator in codes)


def _same(found: CodeType | None, written: CodeType, exact: bool) -> bool:
    """Whether two codes are equal; if not `exact`, whether they come from the same line of the same file."""
    if found is None or exact:
        return found == written
    place = ("co_filename", "co_qualname", "co_firstlineno")
    return all(getattr(found, name) == getattr(written, name) for name in place)
