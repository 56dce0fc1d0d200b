"""Chance of each verdict by the number of runs, from pilot runs.

Runs are drawn from the pilots, with replacement within each scale, and the hypothesis is settled on
them by its own analysis; a run brings its values for all predictions, so that what varies together still
does. Deviations from a scale's mean are widened by sqrt(m / (m - 1)), since m runs lie closer to
their own mean than to the true one.

Where the truth lies is as uncertain as the pilots leave it: each simulated study has a truth of its own, the mean of as
many pilots drawn anew. A few pilots that agree by chance still promise too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emergence_stats.core.verdicts import Verdict

if TYPE_CHECKING:
    from pandas import DataFrame

TARGETS = (0.8, 0.9)


@dataclass(frozen=True)
class Chances:
    """Chance of each verdict with this many seeds per scale."""

    seeds: int
    runs: int
    chance: Mapping[Verdict, float]


@dataclass(frozen=True)
class Power:
    """`rows` by number of seeds; `pilots`: how many runs they rest on, all `seen` by the plan or, if it
    saw none, all there are; `planned`: seeds per scale in the plan; `lacking`: scales of the plan without a pilot, of which the
    studies have no run.
    """

    name: str
    rows: tuple[Chances, ...]
    scales: tuple[str, ...]
    pilots: int
    seen: bool
    draws: int
    planned: int | None
    lacking: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, name: str, found: Mapping[str, Any]) -> Power:
        """What `to_dict` wrote."""
        rows = (
            Chances(row["seeds"], row["runs"], {v: row[str(v)] for v in Verdict})
            for row in found["rows"]
        )
        return cls(
            name,
            tuple(rows),
            tuple(found["scales"]),
            found["pilot_runs"],
            found["pilots_seen_by_plan"],
            found["draws"],
            found["planned_seeds"],
            tuple(found.get("scales_without_pilots", ())),  # records of 0.1 do not say
        )

    def needed(self, verdict: Verdict, chance: float) -> Chances | None:
        """The fewest seeds that give this verdict with this chance, None if none simulated do."""
        return next((row for row in self.rows if row.chance[verdict] >= chance), None)

    def at(self, seeds: int) -> Chances | None:
        return next((row for row in self.rows if row.seeds == seeds), None)

    def to_frame(self) -> DataFrame:
        """One row per number of seeds, as a pandas DataFrame (needs pandas)."""
        import pandas as pd

        chances = [{str(verdict): c for verdict, c in row.chance.items()} for row in self.rows]
        return pd.DataFrame(
            [
                {"seeds": r.seeds, "runs": r.runs, **c}
                for r, c in zip(self.rows, chances, strict=True)
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        decisive = (Verdict.SUPPORTED, Verdict.REFUTED)
        return {
            "name": self.name,
            "scales": list(self.scales),
            "pilot_runs": self.pilots,
            "pilots_seen_by_plan": self.seen,
            "planned_seeds": self.planned,
            **({"scales_without_pilots": list(self.lacking)} if self.lacking else {}),
            "draws": self.draws,
            "rows": [
                {"seeds": r.seeds, "runs": r.runs, **{str(v): c for v, c in r.chance.items()}}
                for r in self.rows
            ],
            "needed": [
                {
                    "verdict": str(verdict),
                    "chance": chance,
                    "seeds": found.seeds if found else None,
                    "runs": found.runs if found else None,
                }
                for verdict in decisive
                for chance in TARGETS
                for found in [self.needed(verdict, chance)]
            ],
        }
