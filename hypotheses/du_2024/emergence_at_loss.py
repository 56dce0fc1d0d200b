"""A capability emerges when the training loss falls below a threshold that does not depend on the size of the model.

Estimand, one value a run: the log of the mixture's loss at the emergence of a task-level, mean over the task-levels that
emerged in all runs of the first study (another choice would compare other tasks at other sizes). Supported if scale means
differ by no more than a factor of 1.25 between any two sizes, for tasks that move tokens and for tasks that compute. One class
that differs more for certain refutes.

Reservations would mean: not specific, that the step of emergence is as invariant as the loss, so that nothing is left for the
loss to explain. The paper: pretraining loss of language models of 1.5B to 32B parameters trained on one corpus, and benchmarks
that stay at chance until the loss falls below about 2.2 nats; here one mixture of algorithmic tasks, and its loss on fixed
samples. Abstract only was at hand: how the paper dates emergence is not known.
"""

import functools
import math

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    LargestDifference,
    Needs,
    Prediction,
    Region,
    Undefined,
    varied,
)

from .._tasks import LONG, RATES, emergences, log_middle

EASY = [
    *((task, level) for task in ("copy", "reverse") for level in range(3)),
    ("sort", 0),
    ("sort", 1),
]
HARD = [("mod", 0), ("mod", 1), ("mul", 0), ("add", 0)]
MARGIN = round(math.log(1.25), 4)
LATE = 8000  # a task-level that has not emerged by then has no loss at emergence


def at_emergence(run, *, task_levels, rise=0.25, behaviour="accuracy", quantity="loss"):
    """Mean over task-levels of the log of the mixture's loss at emergence; `quantity` "step": of the step itself."""
    events = emergences(run, rise, behaviour=behaviour).at(task_levels)
    seen = np.isfinite(events.hi)
    if not seen.all():
        raise Undefined(f"{int((~seen).sum())} of {len(seen)} task-levels do not emerge")
    at = log_middle(events, LATE)
    if quantity == "step":
        return float(at.mean())
    loss = run.traces("loss", tasks=False)
    t = np.log(np.maximum(loss.steps[0], 1.0))
    return float(np.interp(at, t, np.log(loss.values[0])).mean())


emergence_at_loss = Hypothesis(
    claim=Claim(
        "A capability emerges when the training loss falls below a threshold that does not depend on model size.",
        paper="arXiv:2403.15796",
        reported={"abstract": "the same trend of performance against loss at all sizes"},
    ),
    needs=Needs(["loss", "accuracy"], further=["log_prob"], layers="final", min_scales=3),
    predictions=[
        Prediction(
            f"loss at emergence, {name}",
            functools.partial(at_emergence, task_levels=task_levels),
            Region.at_most(MARGIN),
            LargestDifference(),
        )
        for name, task_levels in (("easy", EASY), ("hard", HARD))
    ],
    design=LONG,
    controls=[varied("step of emergence", "the step is as invariant as the loss", quantity="step")],
    multiverse={"rise": [0.1, 0.25, 0.5], "behaviour": ["accuracy", "log_prob"], "suite": RATES},
)
