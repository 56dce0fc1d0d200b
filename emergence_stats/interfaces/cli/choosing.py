"""Which claims a command is about: names, paths, patterns, and ``-k``, as pytest selects tests."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from emergence_stats.claims.project import Project, Source
from emergence_stats.errors import UsageError
from emergence_stats.support.words import near

_TOKEN = re.compile(r"\s*(\(|\)|[^\s()]+)")


def choose(
    project: Project, words: Sequence[str] | None, keyword: str | None = None
) -> list[str] | None:
    """Names of the claims that `words` mean, each once, and of these those that `keyword` matches; None for all.

    A word is a name, a pattern of names or paths (``*_lags``), a module's path, or a folder's. Raises `UsageError` for a word
    that means none, and if none is left.
    """
    if not words and keyword is None:
        return None
    chosen = list(project.sources)
    if words:
        chosen = _named(project, words)
    if keyword is not None:
        matches = parse(keyword)
        chosen = [name for name in chosen if matches(_keywords(project.named(name)))]
        if not chosen:
            raise UsageError(
                f"no hypothesis matches -k {keyword!r}; `emergence-stats list` shows all"
            )
    return chosen


def _named(project: Project, words: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    helpers = []
    for word in words:
        names = list(_meant(project, word))
        if not names and word.endswith(".py") and Path(word).is_file():
            helpers.append(word)  # a shell's pattern has every file of a folder
        elif not names:
            hint = near(Path(word).name.removesuffix(".py"), project.sources)
            raise UsageError(f"{word}: no hypothesis is there{hint}")
        found.update(dict.fromkeys(names))
    if not found:
        raise UsageError(f"{helpers[0]} is no claim of {project.folder}")
    return list(found)


def _meant(project: Project, word: str) -> Iterator[str]:
    """Names of the claims that a word means. Raises `UsageError` for an unknown name."""
    sources = project.sources
    if word in sources or word in project.shipped:
        yield word
    elif any(c in word for c in "*?["):
        pattern = word.rstrip("/")
        for name, source in sources.items():
            places = [] if source.path is None else _places(project, source.path)
            if any(fnmatch.fnmatchcase(text, pattern) for text in (name, *places)):
                yield name
    elif word.endswith(".py") or "/" in word or Path(word).is_dir():
        path = Path(word).resolve()
        for name, source in sources.items():
            if source.path is not None and path in (
                source.path.resolve(),
                *source.path.resolve().parents,
            ):
                yield name
    else:
        project.named(word)  # says what is nearest


def _places(project: Project, path: Path) -> list[str]:
    """A module's path as one may write it: from the current folder, from the project's, and whole."""
    here = Path.cwd()
    from_here = [path.relative_to(here).as_posix()] if path.is_relative_to(here) else []
    return [*from_here, project.shown(path), path.as_posix()]


def _keywords(source: Source) -> tuple[str, ...]:
    """What ``-k`` looks in: the name of a claim, and the folder of its paper."""
    if source.path is None or source.path.parent == source.home:
        return (source.name.lower(),)
    return (source.name.lower(), source.path.parent.name.lower())


# --- -k -----------------------------------------------------------------------------------------


def parse(expression: str) -> Callable[[Sequence[str]], bool]:
    """What an expression of parts of names with ``and``, ``or``, ``not`` and parentheses matches; case does not count.

    Raises `UsageError` for one that is malformed.
    """
    tokens = _TOKEN.findall(expression)
    found, rest = _either(tokens, expression)
    if rest:
        raise _malformed(expression, rest[0])
    return found


Matcher = Callable[[Sequence[str]], bool]


def _either(tokens: list[str], whole: str) -> tuple[Matcher, list[str]]:
    one, tokens = _both(tokens, whole)
    if tokens[:1] != ["or"]:
        return one, tokens
    other, tokens = _either(tokens[1:], whole)
    return lambda names: one(names) or other(names), tokens


def _both(tokens: list[str], whole: str) -> tuple[Matcher, list[str]]:
    one, tokens = _single(tokens, whole)
    if tokens[:1] != ["and"]:
        return one, tokens
    other, tokens = _both(tokens[1:], whole)
    return lambda names: one(names) and other(names), tokens


def _single(tokens: list[str], whole: str) -> tuple[Matcher, list[str]]:
    if not tokens or tokens[0] in ("and", "or", ")"):
        raise _malformed(whole, tokens[0] if tokens else "its end")
    token, *rest = tokens
    if token == "not":
        inner, rest = _single(rest, whole)
        return lambda names: not inner(names), rest
    if token == "(":
        inner, rest = _either(rest, whole)
        if rest[:1] != [")"]:
            raise _malformed(whole, rest[0] if rest else "its end")
        return inner, rest[1:]
    part = token.lower()
    return lambda names: any(part in name for name in names), rest


def _malformed(expression: str, where: str) -> UsageError:
    return UsageError(
        f"-k {expression!r} is no expression at {where}: write parts of names with and, or, not and parentheses"
    )
