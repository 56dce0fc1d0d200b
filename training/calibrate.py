"""How the LLC depends on its sampler: the settings that a suite fixes are taken from this table.

    python -m emergence_training.calibrate --scale d24L4 > docs/llc/d24L4.md

Trains one run of a suite, stops at a few steps, and estimates the LLC of the mixture and the parts of
a few task-levels for every combination of step size, localisation and inverse temperature. A setting
is fit if no chain escapes or drifts, if the values are positive at the end of training, and if
halving the step size changes them by less than their errors. Prints Markdown.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator

import torch

from . import tasks
from .checkpoints.deep import DeepEvaluation
from .loop import Training
from .measures.llc import LocalLearningCoefficient, llc
from .measures.sampler import Sampler
from .model import Decoder
from .suites import SUITES, DeepMeasures, Scale, Suite

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


def rows(model: Decoder, step: int, deep: DeepEvaluation, samplers: list[Sampler]) -> Iterator[str]:
    mixture = deep.mixture
    for sampler in samplers:
        generator = torch.Generator().manual_seed(step)
        whole = llc(
            model,
            mixture.losses,
            len(mixture),
            sampler,
            generator,
            mixture.chance(),
            deep.parts,
        )
        shown = {"mixture": (whole, mixture.chance())}
        for task, level in TASK_LEVELS:
            i = tasks.TASK_LEVELS.index((task, level))
            shown[f"{task} {level}"] = whole.parts[i], deep.parts.chance[i]
        for name, (found, chance) in shown.items():
            value = "-" if math.isnan(found.value) else f"{found.value:.3g} ± {found.stderr:.2g}"
            yield (
                f"| {step} | {name} | {sampler.step_size:g} | {sampler.localisation:g} | "
                f"{sampler.inverse_temperature:g} | {found.initial_loss:.3f} | {chance:.3f} | "
                f"{value} | {', '.join(flags(found))} |"
            )


def flags(found: LocalLearningCoefficient) -> list[str]:
    escaped = sum(found.escaped)
    return [
        word
        for word, is_so in (
            ("negative", found.negative),
            (f"{escaped} escaped", escaped > 0),
            ("drifting", found.drifting),
        )
        if is_so
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--suite", default="pocket_deep", choices=SUITES)
    parser.add_argument("--scale", default="d24L4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=int, nargs="+", default=[251, 1098, 4000])
    parser.add_argument("--step-sizes", type=float, nargs="+", default=[1e-5, 2e-5, 4e-5])
    parser.add_argument("--localisations", type=float, nargs="+", default=[500.0, 5000.0])
    parser.add_argument("--inverse-temperatures", type=float, nargs="+", default=[100.0, 1000.0])
    parser.add_argument("--chains", type=int, default=8, help="in antithetic pairs")
    parser.add_argument("--burn-in", type=int, default=30)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    suite = SUITES[options.suite]
    scale = next(s for s in suite.scales if s.name == options.scale)
    grid = itertools.product(
        options.step_sizes, options.localisations, options.inverse_temperatures
    )
    samplers = [
        Sampler(
            *settings,
            options.chains,
            options.burn_in,
            options.draws,
            options.batch,
            antithetic=True,
        )
        for settings in grid
    ]
    print(
        f"Suite {suite.name}, scale {scale.name}, seed {options.seed}; {options.chains} chains of "
        f"{options.burn_in} + {options.draws} steps on minibatches of {options.batch}.\n"
    )
    print("| step | samples | step size | localisation | n beta | loss | chance | LLC | |")
    print("|---|---|---|---|---|---|---|---|---|")
    settings = suite.deep or DeepMeasures(every=2, llc={scale.name: samplers[0]})
    deep = DeepEvaluation.fixed(suite, settings, scale.name, torch.device("cpu"))
    for step, model in checkpoints(suite, scale, options.seed, options.at):
        for row in rows(model, step, deep, samplers):
            print(row, flush=True)
        sys.stderr.write(f"step {step} done\n")


if __name__ == "__main__":
    main()
