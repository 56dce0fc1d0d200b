"""Whether runs of one scale are repetitions of one training: by the settings that their manifests give, and those of their suite."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from emergence_stats.claims.backend import other_settings
from emergence_stats.support.words import counted, listed, ranges, visible
from emergence_stats.traces.format import Manifest

_MOST = 3  # settings that are told
_NAMES = 4  # runs that are named
_LENGTH = 40  # characters of a value
# What tells one run from another, and not one training from another.
_OF_ONE_RUN = re.compile(
    r"(.*[_.\-/ ])?(seeds?([_.\-/ ].*)?|dir|directory|folder|url|date|time|timestamp|host|hostname|user|tags?|notes?|threads|workers|device|port)"
    r"|((run|exp|experiment|job|trial|display|project|wandb)[_.\-/ ]?)?(name|id|group)",
    re.IGNORECASE,
)


def differences(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A line for each kind of setting by which runs are not repetitions of one training."""
    trainings: dict[tuple[str, str], list[Manifest]] = defaultdict(list)
    for m in manifests:
        shared = {key: value for key, value in m.config.items() if not _of_one_run(key)}
        trainings[m.scale, json.dumps(shared, sort_keys=True)].append(m)
    told: set[str] = set()
    otherwise: dict[tuple[str, str], list[str]] = defaultdict(list)
    for some in trainings.values():
        if found := other_settings(some[0]):
            told |= found.keys()
            otherwise[some[0].suite, _pairs(found)] += [m.run_id for m in some]
    for (suite, pairs), names in otherwise.items():
        were = "was" if len(names) == 1 else "were"
        yield f"{counted(len(names), 'run')} {were} made with other settings than suite {suite} has now ({_some(names)}): {pairs}"
    yield from _mixed(list(trainings.values()), told)


def _mixed(trainings: Sequence[list[Manifest]], told: set[str]) -> Iterator[str]:
    """Settings in which runs of one scale fall into groups. One that every run has a value of its own of is no such setting."""
    by_scale: dict[str, list[list[Manifest]]] = defaultdict(list)
    for some in trainings:
        by_scale[some[0].scale].append(some)
    where: dict[str, list[str]] = defaultdict(list)
    for scale, them in by_scale.items():
        for key in sorted({key for some in them for key in some[0].config} - told):
            groups: dict[str, list[str]] = defaultdict(list)
            for some in them:
                if key in some[0].config and not _of_one_run(key):
                    value = json.dumps(some[0].config[key], sort_keys=True)
                    groups[value] += [m.run_id for m in some]
            if 1 < len(groups) < sum(map(len, groups.values())):
                most = sorted(groups.items(), key=lambda group: -len(group[1]))
                shown = [f"{_short(value)} in {_some(names)}" for value, names in most[:_MOST]]
                where[key].append(f"{scale} ({'; '.join(shown)}{'; ...' if most[_MOST:] else ''})")
    for key, scales in list(where.items())[:_MOST]:
        more = f", and those of {counted(len(scales) - 1, 'more scale')}" if scales[1:] else ""
        yield f"runs of one scale were made with different {_short(visible(key))}, and count as repetitions of one training: those of {scales[0]}{more}"
    if others := list(where)[_MOST:]:
        yield f"they differ in {counted(len(others), 'more setting')}: {listed([_short(visible(key)) for key in others[:_NAMES]])}{', ...' if others[_NAMES:] else ''}"


@cache
def _of_one_run(key: str) -> bool:
    return _OF_ONE_RUN.fullmatch(key) is not None


def _pairs(found: dict[str, tuple[Any, Any]]) -> str:
    some = [
        f"{key} {_short(json.dumps(its))}, now {_short(json.dumps(now))}"
        for key, (its, now) in found.items()
    ]
    return "; ".join(some[:_MOST]) + (
        f"; and {len(some) - _MOST} more" if len(some) > _MOST else ""
    )


def _some(names: Sequence[str]) -> str:
    short = ranges(list(names))
    return listed(short) if len(short) <= _NAMES else f"{short[0]}, ... ({len(names)} runs)"


def _short(text: str) -> str:
    return text if len(text) <= _LENGTH else text[: _LENGTH - 3] + "..."
