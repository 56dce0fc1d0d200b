"""Steps in cells, names and paths, and what they count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from emergence_stats.support.numerals import decimal_number
from emergence_stats.support.words import counted

OPTIMISER, TOKENS = "optimiser steps", "tokens"
UNITS = (OPTIMISER, TOKENS, "samples", "epochs", "seconds")
IN_OTHER_WORDS = {
    **dict.fromkeys(("step", "steps", "optimizer steps", "updates", "iterations"), OPTIMISER),
    "token": TOKENS,
    "sample": "samples",
    "epoch": "epochs",
    "second": "seconds",
}
_FACTOR = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
# Names under which a column of steps is found, the better ones first.
NAMES = (
    "step", "global_step", "trainer/global_step", "train/global_step", "optimizer_step", "iteration", "iter", "Step",
    "_step", "tokens", "tokens_seen", "num_tokens", "n_tokens", "epoch",
)  # fmt: skip
_NUMBER = r"(?P<{0}>[0-9]+(?:\.[0-9]+(?=[kmbgt]))?)(?P<{0}_factor>[kmbgt]?)"
# Not cut at a point: step1.000 may be 1 or 1,000, and step1.5 is no step. What follows a name may be a date.
_END = r"(?![A-Za-z0-9])(?!\.[0-9](?![0-9]{3}-))"
# Not cut at what separates thousands: step1,000 is not step 1, and whether step1_000 is step 1 nobody knows.
_THOUSANDS = re.compile(r"(?:[,_'\u2019]|\s)[0-9]{3}(?![A-Za-z0-9])")
_TOKEN = r"tok(?:en)?s?"
_COUNTED = (
    r"(?:tok(?:en)?s?|(?:time)?steps?|iter(?:ation)?s?|updates?|samples?|examples?|seq(?:uence)?s?|images?|imgs?|epochs?|"
    r"param(?:eter)?s?)"
)
# What a column's name says that its cells are to be multiplied by.
_FACTOR_IN_NAME = re.compile(
    r"[(\[]\s*(?:in\s+)?(?:[kmbgt]|bn|mio|mln|mrd)\s*[)\]]"  # tokens (B)
    r"|(?<![a-z])(?:thousand|million|billion|trillion)s?(?![a-z])"
    r"|(?<![a-z])(?:bn|mio|mln|mrd)[-_ ]?"
    + _COUNTED
    + r"|"
    + _COUNTED
    + r"[-_ ]*(?:bn|mio|mln|mrd)(?![a-z])"
    r"|(?<![a-z0-9])[x\u00d7]\s*10+(?![0-9a-z_])|[*/]\s*10+\s*$|[(\[]\s*(?:in\s+)?[x\u00d7*/]?\s*10+s?\s*[)\]]"  # x100, (in 100s)
    r"|(?:,|(?<![a-z])(?:in|per)[-_ ])\s*10{2,}s?(?![0-9])|(?<![0-9a-z])10{2,}s(?![a-z])"  # in 1000s
    r"|(?<![0-9.])1e\+?[0-9]+(?![0-9])|(?<![0-9.])10\s*(?:\^|\*\*)\s*[0-9]+|10[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+"
    r"|(?<![a-z])log(?:2|10|\s*\()"  # values of log_step alone are not whole
    r"|(?<![a-z])(?:kilo|mega|giga|tera)[-_ ]?" + _COUNTED + r"(?![a-z])"
    r"|(?<![a-z])(?:[km]" + _COUNTED + r"|[bgt]" + _TOKEN + r")(?![a-z])"  # ktokens, Gtok
    r"|(?<![a-z])(?:[0-9]*[kmbgt][-_ ]"
    + _TOKEN
    + r"|[0-9]*k[-_ ]"
    + _COUNTED
    + r"|[0-9]+[mbgt][-_ ]"
    + _COUNTED
    + r")(?![a-z])"
    r"|(?<![a-z])" + _TOKEN + r"[-_ .]*(?:in[-_ ]?)?[kmbgt](?![a-z0-9])"  # tokens_B, tokens_in_B
    r"|(?<![a-z])" + _COUNTED + r"[-_ .]*(?:in[-_ ]?)?[kmb](?![a-z0-9])",  # steps_k
    re.IGNORECASE,
)
_IN_TEXT = re.compile(
    r"(?<![A-Za-z])(?:(?:global[-_]?)?steps?|checkpoint|ckpt|iter(?:ation)?)[-_=]?"
    + _NUMBER.format("step")
    + _END
    + r"(?:[-_](?:tokens?[-_=]?)?"
    + _NUMBER.format("tokens")
    + r"(?:[-_]?tokens?)?"
    + _END
    + ")?",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"(?<![A-Za-z])(?:tokens?[-_=]?" + _NUMBER.format("a") + "|" + _NUMBER.format("b")
    + r"[-_]?tokens?)" + _END,
    re.IGNORECASE,
)  # fmt: skip
_CELL = re.compile(
    r"(?P<step>[0-9]+(?:\.[0-9]+)?)\s?(?P<step_factor>[kmbgt]?)(?:\s?(?P<unit>tokens?|steps?))?",
    re.IGNORECASE,
)
_OF_STEPS = re.compile(r"step|iter|update|batch(?:es)?(?![a-z])|checkpoint|ckpt", re.IGNORECASE)
_TIME = r"(?:wall[-_ ]?(?:clock)?[-_ ]?)?(?:time|elapsed|duration|runtime)"
_OTHER_TIME = re.compile(
    r"(?<![a-z])(?:hours?|minutes?|days?|weeks?|milliseconds?)(?![a-z])"
    r"|" + _TIME + r"[^a-z]*(?:h|hrs?|min|mins|ms|d)(?![a-z])|[(\[]\s*(?:h|hrs?|min|mins|ms|d)\s*[)\]]",
    re.IGNORECASE,
)  # fmt: skip
_BY_WORD = (
    (r"tok(?:en)?s?", TOKENS),
    (r"timesteps?", "samples"),  # of an environment
    (r"steps?|iter(?:ation)?s?|updates?", OPTIMISER),
    (r"epochs?", "epochs"),
    (r"samples?|examples?|images?", "samples"),
    (r"secs?|seconds?|(?:run|wall|clock)?time|elapsed", "seconds"),
)
_WORD = re.compile(r"[A-Za-z][a-z]*|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class Found:
    """A step in a name or path: its number, the tokens beside it if there are any, and the text without both."""

    step: int | None
    tokens: int | None
    rest: str

    def of(self, unit: str | None) -> tuple[int, str]:
        """Number and unit; `unit`: which of the two is wanted, if both are there. Raises `ValueError` if tokens are wanted, and not told."""
        if self.tokens is not None and (unit == TOKENS or self.step is None):
            return self.tokens, TOKENS
        if self.step is None or unit == TOKENS:
            raise ValueError("it tells no tokens")
        return self.step, OPTIMISER


def in_text(text: str) -> Found | None:
    """The last step that a name or path holds, as step1000, checkpoint-50K, step50000-tokens210B, 10B-tokens."""
    found = list(_IN_TEXT.finditer(text))
    if found:
        match = found[-1]
        if _is_cut(text, match):
            return None
        tokens = match["tokens"]
        # A second number that is no count of tokens, as in step100-2 or step1000_410m, is not part of the step.
        counts = tokens is not None and (
            match["tokens_factor"].lower() in ("b", "g", "t") or "token" in match[0].lower()
        )
        end = match.end() if counts or tokens is None else match.start() + _length(match)
        return Found(
            times(match["step"], match["step_factor"]),
            times(tokens, match["tokens_factor"]) if counts else None,
            _without(text, match.start(), end),
        )
    found = list(_TOKENS.finditer(text))
    if not found:
        return None
    match = found[-1]
    which = "a" if match["a"] is not None else "b"
    tokens = times(match[which], match[f"{which}_factor"])
    return Found(None, tokens, _without(text, match.start(), match.end()))


def _is_cut(text: str, match: re.Match[str]) -> bool:
    """Whether the number goes on behind what separates thousands, or is the first of a range (steps100-200)."""
    for part in ("step", "tokens"):
        end = match.end(f"{part}_factor")
        if match[part] and len(match[part]) <= 3 and _THOUSANDS.match(text, end):
            return True
    tokens = match["tokens"]
    return (
        tokens is not None
        and match[0].lower().startswith("steps")
        and not match["tokens_factor"]
        and "token" not in match[0].lower()
    )


def factor_in(name: str) -> str | None:
    """What a column's name says that its cells are to be multiplied by, as (B), x1000 or Mtokens; None if it says nothing."""
    found = _FACTOR_IN_NAME.search(name)
    return found[0].strip() if found else None


def other_time(name: str) -> str | None:
    """A unit of time but seconds that a column's name says, as hours; None if it says none."""
    found = _OTHER_TIME.search(name)
    return found[0].lower() if found else None


def is_of_steps(name: str) -> bool:
    """Whether a column's name says that it counts updates of the model."""
    return bool(_OF_STEPS.search(name))


def _length(match: re.Match[str]) -> int:
    return match.end("step_factor") - match.start()


def _without(text: str, start: int, end: int) -> str:
    """The text without a part, and without a separator that is then doubled."""
    before, after = text[:start], text[end:]
    if after[:1] in ("-", "_", ".", "/", "") and before[-1:] in ("-", "_"):
        before = before[:-1]
    elif before[-1:] in ("/", "") and after[:1] in ("-", "_"):
        after = after[1:]
    return before + after


def times(number: str, factor: str) -> int:
    """A number and its factor (k, m, b, t). Raises `ValueError` if that is not whole."""
    try:
        value = Decimal(number) * _FACTOR[factor.lower()]
        if not value.is_finite() or value != value.to_integral_value() or value.adjusted() > 30:
            raise ValueError(number)
    except InvalidOperation:
        raise ValueError(number) from None
    return int(value)


def read(cell: Any, unit: str | None = None, decimal: str = ".") -> tuple[int, str | None]:
    """A cell of a step column: a whole number (10, 1e5, 50K, 1.4M), or a name with one (step50000-tokens210B).

    With it what it counts where the cell tells: billions are tokens. `decimal`: the point of numbers. Raises `ValueError` for
    anything else.
    """
    if isinstance(cell, bool):
        raise ValueError(cell)
    if isinstance(cell, int):
        return cell, None
    if isinstance(cell, float):
        return _whole(cell), None
    text = str(cell).strip()
    if decimal == "," and re.fullmatch(r"[+-]?[0-9][0-9.,]*", text):
        if "." in text:  # of thousands, perhaps
            raise ValueError(cell)
        text = text.replace(",", ".")
    try:
        return (
            int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else _whole(decimal_number(text))
        ), None
    except ValueError:
        pass
    match = _CELL.fullmatch(text)
    if match is not None:
        number = times(match["step"], match["step_factor"])
        if match["unit"]:
            return number, TOKENS if match["unit"].lower().startswith("token") else OPTIMISER
        billions = match["step_factor"].lower() in ("b", "g", "t")
        return number, TOKENS if billions else None
    found = in_text(text)
    if found is None or re.search(r"[0-9]/[0-9]+$", text):  # step10/100 is one of a hundred
        raise ValueError(cell)
    return found.of(unit)


def _whole(number: float) -> int:
    if number != number or number in (float("inf"), float("-inf")) or not number.is_integer():
        raise ValueError(number)
    return int(number)


def without_steps(logged: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Of (metric, step): metrics with several values, all at step 0, where loggers put what is logged without a step."""
    found: dict[str, list[int]] = {}
    for metric, step in logged:
        found.setdefault(metric, []).append(step)
    return {metric: len(at) for metric, at in found.items() if len(at) > 1 and not any(at)}


def logged_without_steps(metrics: Mapping[str, int]) -> str:
    """What is said of them."""
    some = [f"{metric} ({counted(n, 'value')})" for metric, n in metrics.items()]
    return f"logged without a step, so that all values are at step 0: {', '.join(some)}"


def unit_of(name: str) -> str | None:
    """What a column counts, by the words of its name; None for optimiser steps, and for one that does not tell."""
    words = [word.lower() for word in _WORD.findall(name)]
    for pattern, unit in _BY_WORD:
        if any(re.fullmatch(pattern, word) for word in words):
            return unit if unit != OPTIMISER else None
    return None


def unit_of_cells(cells: Sequence[Any], decimal: str = ".") -> str | None:
    """What steps count by what their cells say: None if none says anything.

    Raises `ValueError` with the two cells where some are of steps and some of tokens, unless those of steps tell tokens too.
    """
    steps_alone = tokens = None
    for cell in cells:
        try:
            told = read(cell, None, decimal)[1]
        except (ValueError, TypeError, OverflowError):
            continue  # said with its row where it is converted
        if told == TOKENS:
            tokens = cell if tokens is None else tokens
        elif told == OPTIMISER:
            steps_alone = cell if steps_alone is None else steps_alone
    if steps_alone is not None and tokens is not None:
        raise ValueError(f"{steps_alone!r} is of steps, and {tokens!r} of tokens")
    return TOKENS if tokens is not None else OPTIMISER if steps_alone is not None else None
