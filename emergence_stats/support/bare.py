"""Source without what changes no number: comments, docstrings, and how lines are laid out.

By tokens, and not by the syntax tree, which differs between versions of Python.
"""

from __future__ import annotations

import io
import tokenize
from functools import cache

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}


@cache
def bare_source(source: bytes) -> bytes:
    """One token a line, indentation as its depth. Raises `SyntaxError` for what is no Python.

    A string that is a statement of its own is a docstring, or has no effect either. A comma before a closing bracket
    that a formatter adds when it breaks a line counts, since it may make a tuple.
    """
    lines: list[str] = []
    statement: list[str] = []
    only_strings = True
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type in _LAYOUT:
            continue
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            lines.append("indent" if token.type == tokenize.INDENT else "dedent")
            continue
        if token.type == tokenize.NEWLINE:
            if not only_strings:
                lines += [*statement, "newline"]
            statement, only_strings = [], True
            continue
        statement.append(f"{tokenize.tok_name[token.exact_type]} {token.string}")
        only_strings = only_strings and token.type == tokenize.STRING
    return "\n".join(lines).encode()
