"""A capability emerges when the training loss falls below a threshold that does not depend on the size of the model.

Estimand, one value a run: the log of the mixture's loss at the emergence of a task-level, mean over the task-levels that
emerged in all runs of the first study (another choice would compare other tasks at other sizes). Supported if scale means
differ by no more than a factor of 1.25 between any two sizes, for tasks that move tokens and for tasks that compute. One class
that differs more for certain refutes.

Reservations would mean: not specific, that the loss at one fixed step is as invariant, so that nothing is left for emergence to
explain. The paper: pretraining loss of language models of 1.5B to 32B parameters trained on one corpus, and benchmarks
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
    with_options,
)

from .._tasks import LEARNED, LONG, RATES, emergences, log_middle

MARGIN = round(math.log(1.25), 4)
STEPS = {"easy": 400, "hard": 1200}  # about when they emerge in the runs of the first study


def at_emergence(run, *, task_levels, step, rise=0.25, quantity="emergence"):
    """Mean over task-levels of the log of the mixture's loss at emergence; `quantity` "step": at one step, `step`, for all."""
    loss = run.traces("loss", tasks=False)
    t, log_loss = np.log(np.maximum(loss.steps[0], 1.0)), np.log(loss.values[0])
    if quantity == "step":
        return float(np.interp(np.log(step), t, log_loss))
    events = emergences(run, rise).at(task_levels)
    if not events.observed.all():
        raise Undefined(
            f"{int((~events.observed).sum())} of {len(events)} task-levels do not emerge"
        )
    return float(np.interp(log_middle(events, np.inf), t, log_loss).mean())


emergence_at_loss = Hypothesis(
    claim=Claim(
        "A capability emerges when the training loss falls below a threshold that does not depend on model size.",
        paper="arXiv:2403.15796",
        reported={"abstract": "the same trend of performance against loss at all sizes"},
    ),
    needs=Needs(["loss", "accuracy"], min_scales=4),
    predictions=[
        Prediction(
            f"loss at emergence, {name}",
            functools.partial(at_emergence, task_levels=task_levels, step=STEPS[name]),
            Region.at_most(MARGIN),
            LargestDifference(),
        )
        for name, task_levels in LEARNED.items()
    ],
    design=LONG,
    controls=[
        with_options(
            "one step for all",
            "the loss at one step is as invariant as that at emergence",
            quantity="step",
        )
    ],
    multiverse={"rise": [0.1, 0.25, 0.5], "suite": RATES},
)
