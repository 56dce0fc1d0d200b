"""Which names of its helpers a claim uses, by its source: a setting that nothing reads would change nothing, without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterable


def used_names(claim: str, helpers: Iterable[str]) -> set[str] | None:
    """Names that the source of a claim uses, itself or through what it uses of its `helpers` (sources).

    None where that cannot be told from the source: a star import, or a name that is computed.
    """
    trees = [ast.parse(claim), *map(ast.parse, helpers)]
    if any(_is_computed(node) for tree in trees for node in ast.walk(tree)):
        return None
    rests_on: dict[str, set[str]] = {}
    for tree in trees[1:]:
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):  # uses nothing by itself
                for alias in statement.names:
                    rests_on.setdefault(alias.asname or alias.name, set()).add(alias.name)
                continue
            for name in _defined(statement) or [""]:  # "": what runs whatever is used
                rests_on.setdefault(name, set()).update(_mentioned(statement))
    used: set[str] = set()
    waiting = [*_mentioned(trees[0]), *rests_on.pop("", ())]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += rests_on.get(name, ())
    return used


def _is_computed(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == "*" for alias in node.names)
    computes = ("getattr", "globals", "vars", "eval", "exec")
    return isinstance(node, ast.Name) and node.id in computes


def _defined(statement: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    of_comprehensions = {
        id(node)
        for part in ast.walk(statement)
        if isinstance(part, ast.comprehension)
        for node in ast.walk(part.target)
    }
    return [
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Store)
        and id(node) not in of_comprehensions
    ]


def _mentioned(part: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(part):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name.rpartition(".")[2])
    return found
