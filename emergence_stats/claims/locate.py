"""Where in its module a hypothesis or a prediction is declared."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from emergence_stats.claims.project import Loaded, Project


@dataclass(frozen=True)
class Place:
    """A file, relative to the project where it lies in it, and a line, from 1."""

    file: str
    line: int


def place_of(project: Project, loaded: Loaded, prediction: str | None = None) -> Place:
    """Of the prediction with this name, or of the hypothesis; line 1 where it is not written out."""
    path = Path(str(loaded.module.__file__))
    file = path.as_posix()
    if path.is_relative_to(project.root):
        file = path.relative_to(project.root).as_posix()
    lines = {"Hypothesis": 1}
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError):
        return Place(file, 1)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
        called = called.id if isinstance(called, ast.Name) else called
        named = [
            *node.args[:1],
            *(keyword.value for keyword in node.keywords if keyword.arg == "name"),
        ]
        if called == "Hypothesis":
            lines["Hypothesis"] = node.lineno
        elif called == "Prediction" and named and isinstance(named[0], ast.Constant):
            lines[f"Prediction {named[0].value!s}"] = node.lineno
    return Place(file, lines.get(f"Prediction {prediction}", lines["Hypothesis"]))
