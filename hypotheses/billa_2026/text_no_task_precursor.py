"""On language models trained on text no per-task precursor is found: what RankMe does for a probe says nothing of when it emerges.

An analogue of `pythia_no_task_precursor`, and no replication. Estimand, one value a run: Harrell's C between recovery of RankMe and emergence,
over pairs of probes whose emergence intervals are disjoint; a tie in geometry counts half, so that chance is one half. A precursor that
belongs to its task has a C above it, however long it leads; that recoveries come before emergence is no sign of one, since all probes' do. RankMe is
that of the states at the end of a context, centred: its mean over contexts tells no probe from another. A precursor that comes before the floor cannot
be seen. "No precursor" is supported if C is at most 0.6 on average over sizes, no size lies above for certain, and a planted relation is found; refuted if
it is above for certain.

It is about these nine probes: in worlds without any relation, C of nine probes in a fixed order lies above 0.6 by accident in some 15%.
Not known of the paper: its probes, and how it dates a recovery; it reads leads from the cross-correlation of whole traces.
"""

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    with_options,
)

from .._tasks import POOLINGS
from ._paper import PAPER
from ._text import ON_TEXT, OTHERS, concordance

text_no_task_precursor = Hypothesis(
    claim=Claim(
        "On language models trained on text, the RankMe of a probe says nothing of when that probe emerges, of nine probes.",
        paper=PAPER,
        reported={"v1": "of Pythia: none", "v3": "of Pythia: none", "v4": "of Pythia: none on seven easy benchmarks"},
    ),
    needs=Needs(["rankme_answer_centred", "accuracy"], optional=OTHERS, layers="final", min_scales=4, step_unit="optimiser steps"),
    predictions=[
        Prediction("C", concordance, Region.at_most(0.6), Mean((0.0, 1.0)), scope="average"),
    ],
    design=ON_TEXT,
    controls=[
        with_options("planted relation", "this analysis sees no relation", finds="refuted", geometry="planted"),
    ],
    multiverse={"rise": [1.1, 1.25, 1.5], "pooling": list(POOLINGS)},
)  # fmt: skip
