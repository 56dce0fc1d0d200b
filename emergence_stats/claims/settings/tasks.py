"""Which tasks the constants of a claim name: those that a project sets may be misspelt, and those of the claim may not be its data's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emergence_stats.core.runs import NONE
from emergence_stats.support.words import listed, near

TaskLevel = tuple[str, int | None]
_FEW = 4  # tasks that a sentence names


@dataclass(frozen=True)
class NamedTasks:
    """By constant, as settings call it: the tasks that it names. `known`: those that any of the claim's own does.

    `by_claim`: what the claim uses and the project left as it is; `by_project`: what the project set, tasks (with None), or
    task-levels where the constant has those.
    """

    by_claim: Mapping[str, Collection[str]]
    by_project: Mapping[str, Collection[TaskLevel]]
    known: Collection[str]

    @classmethod
    def of(
        cls, own: Mapping[str, list[Any]], wanted: Mapping[str, Any], used: Collection[str] | None
    ) -> NamedTasks:
        """`own`: constants with the values that the claim's helpers give them; `wanted`: those that a project sets, with its values;
        `used`: those that the claim uses, None if that cannot be told.

        A constant is about tasks if it has task-levels, or only names that are tasks in another that has them.
        """
        pairs = {name: set(_of_pairs(values)) for name, values in own.items()}
        texts = {
            name: {t for value in values for t in _texts(value)} for name, values in own.items()
        }
        known = set().union(*pairs.values())
        about = {
            name: pairs[name] or texts[name]
            for name in own
            if pairs[name] or (texts[name] and known >= texts[name])
        }
        return cls(
            {n: t for n, t in about.items() if n not in wanted and (used is None or n in used)},
            {
                n: {_task_level(text, bool(pairs[n])) for text in _texts(wanted[n])}
                for n in about
                if n in wanted
            },
            known,
        )

    def amiss(self, there: Collection[TaskLevel], claim: str) -> Iterator[str]:
        """What does not fit runs that have the task-levels `there` (level `NONE` without), a sentence each."""
        table = f"[tool.emergence_stats.claims.{claim}]"
        tasks = {task for task, _ in there}
        for name, named in self.by_project.items():
            absent = sorted({task for task, _ in named} - tasks)
            if absent:
                them = "it" if len(absent) == 1 else "them"
                hint = near(absent[0], tasks - {task for task, _ in named})
                yield f"{name} in {table} names {_named(absent)}, and none of these runs has {them}{hint}"
            other = sorted(
                (task, level)
                for task, level in named
                if level is not None and task in tasks and (task, level) not in there
            )
            if other:
                task, level = other[0]
                levels = sorted(
                    NONE if level is None else level for of, level in there if of == task
                )
                has = "no level" if levels == [NONE] else f"levels {', '.join(map(str, levels))}"
                said = (
                    f"level {level} of {task!r}" if level != NONE else f"{task!r} without a level"
                )
                yield f"{name} in {table} is of {said}, which these runs have with {has}: it counts for none of them"
        foreign = sorted(tasks - set(self.known))
        if foreign and self.by_claim:
            chance = "; chance is 0 where it is not set" if "chance" in self.by_claim else ""
            yield (
                f"{listed(sorted(self.by_claim))} of the claim say{'s' if len(self.by_claim) == 1 else ''} nothing of "
                f"{_named(foreign)}, which these runs have: set {'it' if len(self.by_claim) == 1 else 'them'} in {table}{chance}"
            )


def _named(tasks: Collection[str]) -> str:
    shown = [repr(task) for task in tasks]
    more = [f"{len(shown) - _FEW} more"] if len(shown) > _FEW else []
    return f"task{'s' if len(shown) > 1 else ''} {listed(shown[:_FEW] + more)}"


def _of_pairs(value: Any) -> Iterator[str]:
    """Tasks of the task-levels in a constant: keys of a table, or members of a list or of lists in a table."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int):
        yield str(value[0])
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _of_pairs(key)
            yield from _of_pairs(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _of_pairs(inner)


def _texts(value: Any) -> list[str]:
    """Names in a constant, or in what a project sets for it: keys of a table of numbers, or members of lists."""
    if isinstance(value, dict):
        lists = [one for one in value.values() if isinstance(one, list)]
        return [name for one in lists for name in _texts(one)] if lists else list(map(str, value))
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []


def _task_level(text: str, pairs: bool) -> TaskLevel:
    """What a setting calls a task-level, ``task`` or ``task/level``, or a task where the constant has no levels."""
    task, level = task_level(text)
    return (task, level) if pairs else (text, None)


def task_level(text: str) -> tuple[str, int]:
    """A task-level, of a task alone or with its level behind a slash."""
    task, slash, level = text.rpartition("/")
    return (task, int(level)) if slash and level.isdigit() else (text, NONE)
