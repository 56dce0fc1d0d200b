"""A suite of a model that somebody names: of its revisions, those whose names tell a step are its checkpoints."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from emergence_stats.errors import UsageError
from emergence_stats.traces.format import check_name
from emergence_stats.traces.importing.steps import OPTIMISER, in_text

from ..suites import Published, PublishedSuite, named
from .checkpoints import config_of, half_written, revisions

_SEED = re.compile(r"[-_]?seed[-_]?(\d+)$")


def suite_of(
    repository: str,
    *,
    suite: str | None = None,
    scale: str | None = None,
    seed: int | None = None,
    pattern: str | None = None,
) -> PublishedSuite:
    """A suite of one run, and on stderr what was made of the names.

    `repository`: on the hub as OWNER/NAME, or a folder, in the layout of the hub's cache or with a sub-folder for each checkpoint.
    `pattern`: the revisions that are wanted, as ``step*000``; None: all whose names tell a step. Not named, the suite is called as
    the repository, the scale by its width and blocks, and the seed is that of the repository's name, or 0.

    Raises `UsageError` for a suite that is declared already, for revisions that tell no steps, or one step twice; `CollectError`
    for a repository that is not there.
    """
    if Path(repository).is_dir():
        repository = str(Path(repository).absolute())  # who measures may stand in another folder
    own = Path(repository).name.removeprefix("models--").replace("--", "-")
    numbered = _SEED.search(own)
    name = suite or _SEED.sub("", own)
    if name in named():
        raise UsageError(
            f"suite {name} is declared, and this is none of its runs: name another with --suite"
        )
    steps, unit, others, end = _steps(repository, pattern)
    config = config_of(repository, steps[-1][1]).get_text_config()
    try:
        width, layers = int(config.hidden_size), int(config.num_hidden_layers)
        vocabulary = int(config.vocab_size)
    except (AttributeError, TypeError):
        raise UsageError(
            f"{repository}: {type(config).__name__} does not say the width and blocks of a language model"
        ) from None
    parameters = 12 * width * width * layers + 2 * width * vocabulary
    model = Published(
        check_name(scale or f"d{width}L{layers}", "scale"), repository, width, layers, parameters
    )
    seed = seed if seed is not None else int(numbered[1]) if numbered else 0
    made = PublishedSuite(
        check_name(name, "suite"), (model,), tuple(steps), None, (seed,), step_unit=unit, end=end
    )
    sys.stderr.write(
        f"{made.run_id(model, seed)}: {len(steps)} checkpoint{'s' if len(steps) > 1 else ''} of {repository}, {unit} {steps[0][0]:,} to {steps[-1][0]:,}{_left_out(others)}"
        f"{_half_written([name for name in half_written(repository) if in_text(name) is not None])}\n"
    )
    return made


def _steps(
    repository: str, pattern: str | None
) -> tuple[list[tuple[int, str]], str, list[str], int]:
    """Step and name of each revision, in order; what steps count; the revisions that tell none; and the last step of the repository."""
    names = revisions(repository)
    wanted = [name for name in names if pattern is None or fnmatchcase(name, pattern)]
    if not wanted:
        raise UsageError(
            f"{repository} has no revision like {pattern!r}: it has {_some(names)}"
            if names
            else f"{repository} has no revisions: neither refs nor sub-folders with a config.json"
        )
    told = {name: found for name in wanted if (found := in_text(name)) is not None}
    if not told:
        raise UsageError(
            f"no revision of {repository} tells a step, as step1000 or checkpoint-500 do: it has {_some(wanted)}"
        )
    of_steps = {name: found for name, found in told.items() if found.step is not None}
    chosen = of_steps or told
    unit = next(iter(chosen.values())).of(None)[1]
    steps = sorted((found.of(None)[0], name) for name, found in chosen.items())
    for (step, one), (next_, other) in itertools.pairwise(steps):
        if step == next_:
            raise UsageError(
                f"revisions {one} and {other} of {repository} both tell step {step}: say which are meant with --revisions, as 'step*000'"
            )
    all_told = (in_text(name) for name in names)
    end = max(one.of(None)[0] for one in all_told if one is not None and one.of(None)[1] == unit)
    if unit != OPTIMISER:
        unit = "tokens"
    return steps, unit, [name for name in names if name not in chosen], end


def _left_out(names: Sequence[str]) -> str:
    return f"; other revisions are left out: {_some(names)}" if names else ""


def _half_written(names: Sequence[str]) -> str:
    return f"; without a config.json, and left out: {_some(names)}" if names else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
