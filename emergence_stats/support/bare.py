"""Source without what changes no number: comments, docstrings, and how lines are laid out.

By tokens, and not by the syntax tree, which differs between versions of Python.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator, Sequence
from functools import cache

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
# From Python 3.12 on an f-string is many tokens, and before it is one: here it is one, as it is written.
_OPENS = {getattr(tokenize, f"{kind}STRING_START", None) for kind in "FT"} - {None}
_CLOSES = {getattr(tokenize, f"{kind}STRING_END", None) for kind in "FT"} - {None}


@cache
def bare_source(source: bytes) -> bytes:
    """One token a line, indentation as its depth. Raises `SyntaxError` for what is no Python.

    A string that is a statement of its own is a docstring, or has no effect either. A comma before a closing bracket
    that a formatter adds when it breaks a line counts, since it may make a tuple.
    """
    lines: list[str] = []
    statement: list[str] = []
    only_strings = True
    for kind, text in _tokens(source):
        if kind in (tokenize.INDENT, tokenize.DEDENT):
            lines.append("indent" if kind == tokenize.INDENT else "dedent")
        elif kind == tokenize.NEWLINE:
            if not only_strings:
                lines += [*statement, "newline"]
            statement, only_strings = [], True
        else:
            statement.append(f"{tokenize.tok_name[kind]} {text}")
            only_strings = only_strings and kind == tokenize.STRING
    return "\n".join(lines).encode()


def _tokens(source: bytes) -> Iterator[tuple[int, str]]:
    """Kind and text of each token that may matter; an f-string is one string, whatever is in it."""
    rows = source.decode("utf-8").splitlines(keepends=True)
    depth, began = 0, (0, 0)
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type in _OPENS:
            began = began if depth else token.start
            depth += 1
        elif token.type in _CLOSES:
            depth -= 1
            if not depth:
                yield tokenize.STRING, _between(rows, began, token.end)
        elif not depth and token.type not in _LAYOUT:
            yield token.type, token.string


def _between(rows: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """The text from one place to another: row, from 1, and column."""
    some = list(rows[start[0] - 1 : end[0]])
    some[-1] = some[-1][: end[1]]
    some[0] = some[0][start[1] :]
    return "".join(some)
