"""Numbers and names as text that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

_NOTHING = 1e-9  # an exact interval may end at 1e-134, which means no more than 0
_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]*)$", re.DOTALL)
_SHORT = re.compile(r"(.*)\[([0-9,-]+)\]$", re.DOTALL)


def number(value: float | None) -> str:
    """Three digits; a value negligibly different from 0 is 0, and None is a dash."""
    if value is None:
        return "-"
    return "0" if abs(value) < _NOTHING else f"{value:.3g}"


def visible(text: str) -> str:
    """A line of text with every character written out that a terminal or a CI system could obey.

    Control characters, line and paragraph separators, and invisible or direction-changing ones become
    their Python escapes: a name from a store, a lock or a claim cannot move the cursor, begin a line, or
    hide what it says.
    """
    if not text.isprintable():
        escaped = (c.encode("unicode_escape", "surrogatepass").decode() for c in text)
        text = "".join(c if c.isprintable() else e for c, e in zip(text, escaped, strict=True))
    if text.lstrip().startswith("::"):  # a command of GitHub's runner, also on standard error
        text = text.replace("::", "\\::", 1)
    return text


def ranges(names: Iterable[str]) -> list[str]:
    """Names that differ only in their last number, shortened and sorted: ``pocket-d16L2-s[0-12,30-34]``.

    Names without a number at the end stay as they are.

    Names must not contain brackets; names of runs do not.
    """
    plain: list[str] = []
    numbered: dict[str, list[int]] = {}
    for name in sorted(set(names)):
        found = _NUMBERED.match(name)
        if found:
            numbered.setdefault(found[1], []).append(int(found[2]))
        else:
            plain.append(name)
    for stem, numbers in numbered.items():
        if len(numbers) == 1:
            plain.append(f"{stem}{numbers[0]}")
        else:
            plain.append(f"{stem}[{','.join(_runs(sorted(numbers)))}]")
    return sorted(plain)


def members(short: Iterable[str]) -> Iterator[str]:
    """The names that `ranges` shortened."""
    for text in short:
        found = _SHORT.match(text)
        if found is None:
            yield text
            continue
        for part in found[2].split(","):
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                yield f"{found[1]}{number}"


def _runs(numbers: list[int]) -> Iterator[str]:
    for _, pairs in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in pairs]
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def natural(name: str) -> list[tuple[int, str]]:
    """A key by which numbers in names sort as numbers: s2 before s10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part) if part.isdecimal() else -1, part) for part in parts]


def sparkline(values: Sequence[float], wide: bool = True) -> str:
    """Values as heights of one line of text; `wide`: with the block characters of Unicode."""
    steps = "▁▂▃▄▅▆▇█" if wide else "_.-:=+*#"
    lowest, highest = min(values), max(values)
    scale = (len(steps) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(steps[round((value - lowest) * scale)] for value in values)


def near(name: str, known: Iterable[str], otherwise: str = "", cutoff: float = 0.6) -> str:
    """What is said behind an unknown name: the known one that is most like it, if one is; else `otherwise`."""
    import difflib  # only an error wants it

    close = difflib.get_close_matches(name, list(known), 1, cutoff)
    return f"; did you mean {close[0]!r}?" if close else otherwise


def listed(names: Sequence[str], word: str = "and") -> str:
    """Names as a sentence lists them."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def first_of(names: Sequence[str]) -> str:
    """The first of some, with an ellipsis where there are more."""
    return f"{names[0]}{', ...' if len(names) > 1 else ''}"


def counted(number: int, what: str) -> str:
    """A count with its noun: 1 run, 2 runs, 1,200 runs."""
    return f"{number:,} {what}{'s' if number != 1 else ''}"
