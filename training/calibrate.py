"""How the LLC hangs on its sampler: the settings that a suite fixes are read off this table.

    python -m training.calibrate --scale d24L4 > docs/llc/d24L4.md

Trains one run of a suite, stops at a few steps, and estimates the LLC of a few task-levels and of
the mixture for every combination of step size, localisation and inverse temperature. A setting is
fit where no chain escapes or drifts, where the value is positive once a task is learned, and where
halving the step size changes the value by less than its error. Prints Markdown.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator

import torch

from training import tasks
from training.collect import suite_named
from training.deep import Batch, DeepEvaluation
from training.loop import Training
from training.measures.llc import llc
from training.measures.sampler import Sampler
from training.model import Decoder
from training.suites import DeepMeasures, Scale, Suite

TASK_LEVELS = (("copy", 1), ("sort", 0), ("parity", 1), ("mod", 1))


def checkpoints(
    suite: Suite, scale: Scale, seed: int, at: list[int]
) -> Iterator[tuple[int, Decoder]]:
    """(step, model) at the steps `at`, while the run trains."""
    training = Training(suite, scale, seed, torch.device("cpu"))
    for step, _, _ in training.steps():
        if step in at:
            yield step, training.model
        if step == max(at):
            return


def batches(suite: Suite, scale: Scale) -> dict[str, Batch]:
    """The samples that a run's own LLC would see."""
    settings = suite.deep or DeepMeasures(every=2, llc={scale.name: Sampler(1.0, 1.0, 1.0)})
    deep = DeepEvaluation.fixed(suite, settings, scale.name, torch.device("cpu"))
    of = dict(zip(tasks.TASK_LEVELS, deep.task_levels, strict=True))
    return {
        **{f"{task} {level}": of[task, level] for task, level in TASK_LEVELS},
        "mixture": deep.mixture,
    }


def rows(
    model: Decoder, step: int, samples: dict[str, Batch], samplers: list[Sampler]
) -> Iterator[str]:
    for (name, batch), sampler in itertools.product(samples.items(), samplers):
        generator = torch.Generator().manual_seed(step)
        found = llc(model, batch.losses, len(batch), sampler, generator, batch.chance())
        flags = [
            word
            for word, is_so in (
                ("negative", found.negative),
                (f"{sum(found.escaped)} escaped", any(found.escaped)),
                ("drifting", found.drifting),
            )
            if is_so
        ]
        value = "-" if math.isnan(found.value) else f"{found.value:.3g} ± {found.stderr:.2g}"
        yield (
            f"| {step} | {name} | {sampler.step_size:g} | {sampler.localisation:g} | "
            f"{sampler.inverse_temperature:g} | {found.initial_loss:.3f} | {batch.chance():.3f} | "
            f"{value} | {', '.join(flags)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--suite", default="pocket")
    parser.add_argument("--scale", default="d24L4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=int, nargs="+", default=[251, 1098, 4000])
    parser.add_argument("--step-sizes", type=float, nargs="+", default=[1e-6, 1e-5, 1e-4])
    parser.add_argument("--localisations", type=float, nargs="+", default=[100.0, 1000.0])
    parser.add_argument("--inverse-temperatures", type=float, nargs="+", default=[100.0, 1000.0])
    parser.add_argument("--chains", type=int, default=3)
    parser.add_argument("--burn-in", type=int, default=100)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    suite = suite_named(options.suite)
    scale = next(s for s in suite.scales if s.name == options.scale)
    grid = itertools.product(
        options.step_sizes, options.localisations, options.inverse_temperatures
    )
    samplers = [
        Sampler(*settings, options.chains, options.burn_in, options.draws, options.batch)
        for settings in grid
    ]
    print(
        f"Suite {suite.name}, scale {scale.name}, seed {options.seed}; {options.chains} chains of "
        f"{options.burn_in} + {options.draws} steps on minibatches of {options.batch}.\n"
    )
    print("| step | samples | step size | localisation | n beta | loss | chance | LLC | |")
    print("|---|---|---|---|---|---|---|---|---|")
    samples = batches(suite, scale)
    for step, model in checkpoints(suite, scale, options.seed, options.at):
        for row in rows(model, step, samples, samplers):
            print(row, flush=True)
        sys.stderr.write(f"step {step} done\n")


if __name__ == "__main__":
    main()
