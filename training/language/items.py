"""Multiple-choice items: a context, and options that may follow it, of which one is right.

A set is a file of JSON lines, ``{"id", "level", "context", "options", "gold", "why"}``; an option begins with the space that
separates it. The seven sets beside this module were written for this project (`sets/README.md`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emergence_stats.errors import UsageError

SETS = ("syntax", "semantics", "arithmetic", "in_context", "facts", "reasoning", "general")
FOLDER = Path(__file__).parent / "sets"
_FREQUENT = 3  # an option that is right so often has to be wrong somewhere
_SPARE = 0.10  # by which the right option may be the longest or shortest more often than chance


@dataclass(frozen=True)
class Item:
    """`gold`: index of the right option."""

    context: str
    options: tuple[str, ...]
    gold: int


Items = Mapping[tuple[str, int], Sequence[Item]]  # by set and level


def digest_of_items(items: Items) -> str:
    """sha256 of all items, which the traces depend on."""
    text = repr(
        [(key, [(i.context, i.options, i.gold) for i in some]) for key, some in items.items()]
    )
    return hashlib.sha256(text.encode()).hexdigest()


def chance_of(items: Sequence[Item]) -> float:
    """Accuracy of a guess."""
    return sum(1 / len(item.options) for item in items) / len(items)


def shipped_items() -> dict[tuple[str, int], list[Item]]:
    """The items of the seven sets, by set and level."""
    found: dict[tuple[str, int], list[Item]] = {}
    for name in SETS:
        for level, item in read_items(FOLDER / f"{name}.jsonl"):
            found.setdefault((name, level), []).append(item)
    return found


def read_items(path: Path) -> Iterator[tuple[int, Item]]:
    """(level, item) of each line. Raises `UsageError` with file and line for one that is none."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        fault = None
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            fault = f"no JSON ({error})"
        else:
            fault = _fault(fields)
        if fault is not None:
            raise UsageError(f"{path}:{number}: {fault}; an item has level, context, options, gold")
        yield fields["level"], Item(fields["context"], tuple(fields["options"]), fields["gold"])


def _fault(fields: Any) -> str | None:
    if not isinstance(fields, dict):
        return "no item"
    level, context, options, gold = (fields.get(k) for k in ("level", "context", "options", "gold"))
    if type(level) is not int or level < 0:
        return f"level {level!r} is not 0, 1, 2 ..."
    if not isinstance(context, str) or context != context.rstrip():
        return "the context is not text without a space at its end"
    if not isinstance(options, list) or len(options) < 2 or not all(map(_is_text, options)):
        return "there are no two options of text"
    if type(gold) is not int or not 0 <= gold < len(options):
        return f"gold {gold!r} is no index of an option"
    return None


def _is_text(option: object) -> bool:
    return isinstance(option, str) and bool(option.strip())


def faults(items: Sequence[Item]) -> Iterator[str]:
    """What makes a set easier, or harder, than it looks; a line each.

    Repeated items, options that repeat, a place or a length that tells the right one, and an option that is right whenever it
    is there.
    """
    seen: dict[tuple[str, frozenset[str]], str] = {}
    for item in items:
        key = (item.context, frozenset(item.options))
        if key in seen:
            yield f"occurs twice: {item.context!r}"
        seen[key] = item.options[item.gold]
        if len(set(item.options)) < len(item.options):
            yield f"an option repeats: {item.context!r} {item.options}"
    yield from _places(items)
    yield from _lengths(items)
    right = Counter(item.options[item.gold] for item in items)
    there = Counter(option for item in items for option in item.options)
    for option, n in right.items():
        if n > _FREQUENT and n == there[option]:
            yield f"{option!r} is right in all {n} items that have it"


def _places(items: Sequence[Item]) -> Iterator[str]:
    """Places of the right option that differ in how often they occur, by number of options."""
    for n in sorted({len(item.options) for item in items}):
        counts = Counter(item.gold for item in items if len(item.options) == n)
        each = [counts[place] for place in range(n)]
        if max(each) - min(each) > max(1, 0.15 * sum(each)):
            yield f"of {n} options the right one is in places {each} times"


def _lengths(items: Sequence[Item]) -> Iterator[str]:
    for what, extreme in (("longest", max), ("shortest", min)):
        alone = share = 0.0
        for item in items:
            lengths = [len(option) for option in item.options]
            extremes = [i for i, n in enumerate(lengths) if n == extreme(lengths)]
            alone += (item.gold in extremes) / len(extremes)
            share += 1 / len(lengths)
        if alone > share + _SPARE * len(items):
            yield f"the right option is the {what} in {alone:.0f} of {len(items)} items, by chance {share:.0f}"
