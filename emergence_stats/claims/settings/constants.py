"""Constants of a claim's helpers that a project sets for its own data: which tasks are hard, what chance is.

``[tool.emergence_stats.claims.NAME]`` has them by the names of constants in the modules that the claim imports from
beside it (``hard`` sets ``HARD``), in their form: a list of tasks, a table of numbers by task. A key of a table that is
``task`` or ``task/level`` stands for a task-level where the constant has those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from emergence_stats.claims.settings.tasks import NamedTasks, task_level
from emergence_stats.claims.settings.used import used_names
from emergence_stats.errors import UsageError
from emergence_stats.support.words import near


@dataclass
class Constants:
    """What a project sets for one claim.

    `seen`: the constants that its helpers have, each with the values that helpers give it; `applied`: those that were set, with
    the values that are there now; `helpers`: files in which they are.
    """

    claim: str
    wanted: Mapping[str, Any] = field(default_factory=dict)
    seen: dict[str, list[Any]] = field(default_factory=dict)
    applied: dict[str, list[Any]] = field(default_factory=dict)
    helpers: set[Path] = field(default_factory=set)

    def set_in(self, module: ModuleType) -> None:
        """Set those that a module has, after it has run and before another imports them."""
        if module.__file__ is not None:
            self.helpers.add(Path(module.__file__))
        for name, value in vars(module).items():
            if name.isupper() and not name.startswith("_") and _can_be_set(value):
                known = self.seen.setdefault(name.lower(), [])
                was_set = self.applied.get(name.lower(), [])
                if not any(value is one for one in (*known, *was_set)):  # or imported from another
                    known.append(value)
        for name, value in self.wanted.items():
            there = vars(module).get(name.upper())
            if _can_be_set(there):
                mine = self._like(there, value, name)
                setattr(module, name.upper(), mine)
                self.applied.setdefault(name, []).append(mine)

    def check(self, claim: Path | None) -> None:
        """Raise `UsageError` for a setting that no helper has, or that the claim, whose source is `claim`, does not use."""
        for name in self.wanted:
            if name not in self.applied:
                has = f"; it has {', '.join(sorted(self.seen)) or 'none'}, and last_layer can be set of any claim"
                raise UsageError(
                    f"[tool.emergence_stats.claims.{self.claim}]: there is no constant {name!r} in what the claim imports"
                    + near(name, self.seen, has)
                )

        used = self._used(claim) if self.wanted else None
        idle = [name for name in self.wanted if used is not None and name not in used]
        if idle and used is not None:
            uses = sorted(used & self.seen.keys())
            raise UsageError(
                f"[tool.emergence_stats.claims.{self.claim}] {idle[0]}: the claim does not use {idle[0].upper()}, so it would "
                f"change nothing; of what can be set it uses {', '.join(uses) or 'none'}"
            )

    def tasks(self, claim: Path | None) -> NamedTasks:
        """What they say of tasks, of the claim whose source is `claim`."""
        return NamedTasks.of(self.seen, self.wanted, self._used(claim))

    def _used(self, claim: Path | None) -> set[str] | None:
        """The names of constants that the claim uses, as settings call them; None if that cannot be told."""
        if claim is None:
            return None
        used = used_names(claim.read_text("utf-8"), [p.read_text("utf-8") for p in self.helpers])
        return None if used is None else {name.lower() for name in used if name.isupper()}

    def _like(self, there: Any, value: Any, name: str) -> Any:
        where = f"[tool.emergence_stats.claims.{self.claim}] {name}"
        if isinstance(there, dict):
            if not isinstance(value, dict):
                raise UsageError(
                    f"{where} is {value!r}, not a table, as {_shortly(there)} of the claim is"
                )
            pairs = bool(there) and all(isinstance(key, tuple) for key in there)
            inner = next(iter(there.values()), None)
            if not pairs and isinstance(inner, list | tuple):
                self._check_classes(there, value, where)
            return {
                task_level(key) if pairs else key: self._like(inner, one, f"{name}.{key}")
                for key, one in value.items()
            }
        if isinstance(there, list | tuple):
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise UsageError(f"{where} is {value!r}, not a list of names")
            pairs = bool(there) and all(isinstance(one, tuple) for one in there)
            return type(there)(task_level(one) if pairs else one for one in value)
        if isinstance(there, str) != isinstance(value, str) or isinstance(value, dict | list):
            kind = "text" if isinstance(there, str) else "a number"
            raise UsageError(f"{where} is {value!r}, and the claim has {kind} there, as {there!r}")
        if name.partition(".")[0].lower() == "chance" and not 0 <= value < 1:
            raise UsageError(f"{where} is {value!r}, and chance is a share, from 0 to below 1")
        return value

    def _check_classes(self, there: dict[str, Any], value: dict[str, Any], where: str) -> None:
        """Raise `UsageError` unless a table of lists has the keys that the claim's own has: it looks for these."""
        for key in value:
            if key not in there:
                has = f"; it has {', '.join(there)}"
                raise UsageError(f"{where} has no {key!r}{near(key, there, has)}")
        lacking = [key for key in there if key not in value]
        if lacking:
            raise UsageError(f"{where} lacks {', '.join(lacking)}: set all of {', '.join(there)}")


def _shortly(table: dict[Any, Any]) -> str:
    """The beginning of a table, as it is written in a claim."""
    text = str(table)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _can_be_set(value: Any) -> bool:
    """Whether a constant is a number, text, names or a table of such."""
    if isinstance(value, list | tuple):
        return all(isinstance(one, str | tuple) for one in value)
    if isinstance(value, dict):
        return all(isinstance(one, int | float | str | list) for one in value.values())
    return isinstance(value, int | float | str) and not isinstance(value, bool)
