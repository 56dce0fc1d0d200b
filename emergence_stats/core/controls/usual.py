"""The controls that claims about training dynamics usually have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emergence_stats.core.controls.changes import EqualNoise, MismatchedTasks, Placebo, Surrogate
from emergence_stats.core.controls.control import DIFFERS, SAME, Control


def shuffled_answers(
    suite: str, predictions: Sequence[str] = (), margin: float | None = None
) -> Control:
    """Runs of a suite that is trained on answers which do not belong to their problems."""
    return Control(
        "shuffled answers",
        "it takes no task that can be learned",
        suite=suite,
        predictions=predictions,
        margin=margin,
    )


def mismatched_tasks(
    *measures: str, predictions: Sequence[str] = (), margin: float | None = None
) -> Control:
    """`measures` of each task are those of another task of the same run."""
    return Control(
        "mismatched tasks",
        f"{' and '.join(measures)} of another task do as well",
        change=MismatchedTasks(measures),
        predictions=predictions,
        margin=margin,
    )


def placebo(
    measure: str, by: str, predictions: Sequence[str] = (), margin: float | None = None
) -> Control:
    """Measure `by`, which cannot be the reason, in the place of `measure`."""
    return Control(
        f"placebo: {by} for {measure}",
        f"{by} does as well",
        change=Placebo(measure, by),
        predictions=predictions,
        measures=[by],
        margin=margin,
    )


def surrogate(
    *measures: str,
    spread: float = 4.0,
    predictions: Sequence[str] = (),
    margin: float | None = None,
) -> Control:
    """Each trace of `measures` shifted in log time by a factor of its own."""
    return Control(
        "surrogate traces",
        f"it does not matter when {' and '.join(measures)} move",
        change=Surrogate(measures, spread),
        predictions=predictions,
        margin=margin,
    )


def equal_noise(
    *measures: str, predictions: Sequence[str] = (), margin: float | None = None
) -> Control:
    """`measures` with noise added until all are as noisy as the noisiest; with a margin, it has to make no difference."""
    return Control(
        "equal noise",
        "it does not rest on which measure is the cleaner one",
        change=EqualNoise(measures),
        predictions=predictions,
        margin=margin,
        expects=DIFFERS if margin is None else SAME,
    )


def with_options(
    name: str,
    shows: str,
    predictions: Sequence[str] = (),
    measures: Sequence[str] = (),
    margin: float | None = None,
    finds: str | None = None,
    expects: str = DIFFERS,
    **keywords: Any,
) -> Control:
    """The estimates with other keywords, for a control that they know themselves.

    `finds`: for one that plants an effect, the verdict that it has to earn.
    """
    return Control(
        name,
        shows,
        keywords=keywords,
        predictions=predictions,
        measures=measures,
        margin=margin,
        finds=finds,
        expects=expects,
    )
