"""What a paper reports, as a number that ours can be compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emergence_stats.errors import HypothesisError

Interval = tuple[float, float]


@dataclass(frozen=True)
class Reported:
    """A number of a paper, of one version of it: what it counted, or what it estimated.

    Reported(32, 32)                       # 32 of 32 cases
    Reported(estimate=0.27)                # without an error nothing can be compared, only shown
    Reported(estimate=0.27, stderr=0.05)
    Reported(estimate=1.8, runs=5, sd=0.3)

    `prediction`: the name of the one that it is about, the first if none is named. `text`: words to go with it.
    Raises `HypothesisError` for what is no number.
    """

    successes: float | None = None
    trials: float | None = None
    estimate: float | None = None
    stderr: float | None = None
    sd: float | None = None
    runs: int | None = None
    prediction: str | None = None
    text: str = ""

    def __post_init__(self) -> None:
        for name in ("successes", "trials", "estimate", "stderr", "sd", "runs"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise HypothesisError(
                    f"Reported: {name} is {value!r}, not a number; what is said in words goes into `reported` as text"
                )
            if not math.isfinite(value) or abs(value) > 1e60:
                raise HypothesisError(
                    f"Reported: {name} is {value}, not a finite number, or too large"
                )
        if self.runs is not None and (not isinstance(self.runs, int) or self.runs < 1):
            raise HypothesisError(f"Reported: runs is {self.runs!r}, not a number of runs")
        if not isinstance(self.text, str):
            raise HypothesisError(f"Reported: text is {self.text!r}")
        if any(n is not None and n != int(n) for n in (self.successes, self.trials)):
            raise HypothesisError(
                "Reported: successes and trials are numbers of cases, so whole; for a number write estimate=..."
            )
        counted = self.successes is not None or self.trials is not None
        if counted == (self.estimate is not None):
            raise HypothesisError("Reported: give successes and trials, or an estimate")
        if counted and not (
            self.successes is not None
            and self.trials is not None
            and 0 <= self.successes <= self.trials
            and self.trials > 0
        ):
            raise HypothesisError(
                f"Reported: {self.successes!r} of {self.trials!r} is not a share of cases"
            )
        if counted and (self.stderr is not None or self.sd is not None or self.runs is not None):
            raise HypothesisError("Reported: a count has its own error; leave out stderr, sd, runs")
        for name in ("stderr", "sd"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise HypothesisError(f"Reported: {name} is {value!r}, and has to be above 0")
        if self.sd is not None and (self.runs is None or self.runs < 2):
            raise HypothesisError(
                "Reported: an sd needs the number of runs that it is of, two or more"
            )

    @property
    def value(self) -> float:
        """The share, or the estimate."""
        if self.estimate is not None:
            return float(self.estimate)
        assert self.successes is not None
        assert self.trials is not None
        return self.successes / self.trials

    @property
    def error(self) -> tuple[float, float] | None:
        """Standard error of the number and its degrees of freedom; None if the paper gives none.

        Of a count that of a rate, with one case of each kind added (Agresti and Coull 1998), so that 32 of 32 has one.
        """
        if self.trials is not None:
            assert self.successes is not None
            p = (self.successes + 1) / (self.trials + 2)
            return math.sqrt(p * (1 - p) / self.trials), math.inf
        if self.stderr is not None:
            return self.stderr, math.inf if self.runs is None else max(self.runs - 1.0, 1.0)
        if self.sd is not None and self.runs is not None:
            return self.sd / math.sqrt(self.runs), self.runs - 1.0
        return None

    def interval(self, level: float) -> Interval | None:
        """Of the number itself: Clopper and Pearson's of a count, else Student's t."""
        tail = (1 - level) / 2
        if self.trials is not None:
            from scipy.special import betaincinv  # what `list` and `describe` do not need

            k, n = float(self.successes or 0), float(self.trials)
            lo = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
            hi = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
            return lo, hi
        if self.error is None:
            return None
        stderr, df = self.error
        half = _quantile(1 - tail, df) * stderr
        return self.value - half, self.value + half

    def prediction_interval(self, stderr: float, df: float, level: float) -> Interval | None:
        """Where an estimate with this standard error lies if both are of one truth (Patil, Peng and Leek 2016).

        None if the paper's own error is not known.
        """
        if self.error is None:
            return None
        own, own_df = self.error
        both = own**2 + stderr**2
        parts = own**4 / own_df + (stderr**4 / df if df > 0 else 0.0)
        half = _quantile(0.5 + level / 2, both**2 / parts if parts > 0 else math.inf)
        half *= math.sqrt(both)
        ends = self.value - half, self.value + half
        if self.trials is not None:
            return max(ends[0], 0.0), min(ends[1], 1.0)
        return ends


def _quantile(p: float, df: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(p)) if math.isinf(df) else float(stdtrit(df, p))


def reported_text(said: str | Reported) -> str:
    """What a version of a paper reports, as text."""
    if not isinstance(said, Reported):
        return str(said)
    number = f"{said.value:.4g}"
    if said.trials is not None:
        number = f"{said.successes:g} of {said.trials:g}"
    elif said.stderr is not None:
        number += f" (standard error {said.stderr:g})"
    elif said.sd is not None:
        number += f" (sd {said.sd:g} of {said.runs} runs)"
    return f"{number} {said.text}".strip()
