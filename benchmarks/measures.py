"""The deep measures beside other people's code: `python -m benchmarks.measures > docs/measures_benchmarks.md`.

One thread, a 405K-parameter model (d = 128, 2 blocks) after 300 steps, every job in a process of
its own, peers in turn. Needs the `dev` extra and curvlinops, which would replace torch if it were
installed with its dependencies:

    pip install --no-deps curvlinops-for-pytorch backpack-for-pytorch unfoldNd einconv \\
        linear_operator opt-einsum jaxtyping wadler_lindig
"""

from __future__ import annotations

import copy
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.machine import machine
from emergence_training import tasks
from emergence_training.checkpoints.deep import Batch, DeepEvaluation
from emergence_training.checkpoints.forward import Evaluation, measure
from emergence_training.measures.fisher_rank import fisher_rank
from emergence_training.measures.gradient_rank import FIRST_PARAMETERS, gradient_rank
from emergence_training.measures.hessian.products import HessianOfLoss
from emergence_training.measures.hessian.top import TOLERANCE, hessian_top
from emergence_training.measures.hessian.trace import hessian_trace
from emergence_training.measures.llc import Groups, llc
from emergence_training.measures.per_sample import ForwardPass
from emergence_training.measures.sampler import Sampler
from emergence_training.model import Decoder, ModelConfig, answer_loss
from emergence_training.suites import SUITES

SAMPLER = Sampler(1e-5, 100.0, 100.0, chains=2, burn_in=0, draws=60, batch=64)
REPEATS = 8
PROBES = 16


def draw(n: int, seed: int) -> Batch:
    return Batch(*(torch.from_numpy(x) for x in tasks.mixture(np.random.default_rng(seed), n)))


def decoder(width: int, layers: int, heads: int) -> Decoder:
    model = Decoder(ModelConfig(width, layers, heads, tasks.VOCABULARY, tasks.CONTEXT))
    model.initialise(torch.Generator().manual_seed(0))
    return model


@cache
def trained() -> Decoder:
    model = decoder(128, 2, 4)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.16 / 128)
    for step in range(300):
        batch = draw(64, step + 1)
        loss = answer_loss(model, batch.inputs, batch.targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    optimiser.zero_grad()
    return model


def timed(work: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


# --- jobs: each is one process and prints one JSON object -------------------------------------


def job_nothing() -> dict:
    """What a process holds that has done no more than the others' common part."""
    return {}


def job_gradient_steps() -> dict:
    """The limit of an LLC: as many gradients as its chains take, nothing else."""
    model, data = trained(), draw(1024, 0)
    steps = SAMPLER.chains * (SAMPLER.burn_in + SAMPLER.draws)

    def work() -> None:
        for _ in range(steps):
            index = torch.randint(0, len(data), (SAMPLER.batch,))
            model.zero_grad(set_to_none=False)
            sums, of = data.losses(model, index)
            (sums.sum() / of.sum()).backward()

    return {"seconds": [timed(work)[0] for _ in range(REPEATS)]}


def job_llc() -> dict:
    model, data = trained(), draw(1024, 0)
    found = []
    for repeat in range(REPEATS):
        generator = torch.Generator().manual_seed(repeat)
        found.append(timed(lambda g=generator: llc(model, data.losses, len(data), SAMPLER, g)))
    return {"seconds": [t for t, _ in found], "values": [r.value for _, r in found]}


def parts(samples: int | None = None) -> Groups:
    """Samples of the 24 task-levels, as a suite's own LLC would read them, or so many of each."""
    suite = SUITES["pocket_deep"]
    assert suite.deep is not None
    deep = suite.deep if samples is None else replace(suite.deep, part_samples=samples)
    return DeepEvaluation.fixed(suite, deep, "d24L4", torch.device("cpu")).parts


def job_llc_with_parts() -> dict:
    model, data, groups = trained(), draw(1024, 0), parts()
    found = []
    for repeat in range(REPEATS):
        generator = torch.Generator().manual_seed(repeat)
        work = partial(llc, model, data.losses, len(data), SAMPLER, generator, groups=groups)
        found.append(timed(work))
    return {"seconds": [t for t, _ in found], "values": [r.value for _, r in found]}


def job_devinterp(full_pass: bool = False) -> dict:
    from devinterp.optim import SGLD
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary
    from torch.utils.data import DataLoader, TensorDataset

    model, data = trained(), draw(1024, 0)
    seconds, values = [], []
    for repeat in range(REPEATS):
        torch.manual_seed(repeat)
        loader = DataLoader(
            TensorDataset(data.inputs, data.targets), batch_size=SAMPLER.batch, shuffle=True
        )
        began = time.perf_counter()
        with torch.no_grad():
            initial = answer_loss(model, data.inputs, data.targets).item() if full_pass else None
        result = estimate_learning_coeff_with_summary(
            model,
            loader,
            [],
            lambda decoder, batch: (answer_loss(decoder, *batch),),
            SGLD,
            optimizer_kwargs={
                "lr": SAMPLER.step_size,
                "localization": SAMPLER.localisation,
                "nbeta": SAMPLER.inverse_temperature,
            },
            num_draws=SAMPLER.draws,
            num_chains=SAMPLER.chains,
            num_burnin_steps=SAMPLER.burn_in,
            init_loss=initial,
            seed=1000 * repeat,
            verbose=False,
        )
        seconds.append(time.perf_counter() - began)
        values.append(float(result["llc/mean"]))
    return {"seconds": seconds, "values": values}


def job_devinterp_full_pass() -> dict:
    return job_devinterp(full_pass=True)


class WrittenOutLayerNorm(torch.nn.Module):
    """LayerNorm in single operations.

    curvlinops maps forward derivatives of gradients over vectors (vmap of jvp), which torch 2.13
    gets wrong for the weights of its fused LayerNorm: finite differences in float64 agree with
    `emergence_training.measures.hessian.products` and with this, and not with that.
    """

    def __init__(self, fused: torch.nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = fused.weight, fused.bias, fused.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        return centred * (variance + self.eps).rsqrt() * self.weight + self.bias


def written_out(model: Decoder) -> Decoder:
    model = copy.deepcopy(model)
    for parent in [model, *model.blocks]:
        for name, module in list(parent.named_children()):
            if isinstance(module, torch.nn.LayerNorm):
                setattr(parent, name, WrittenOutLayerNorm(module))
    return model


def _curvlinops(n: int):
    from curvlinops import HessianLinearOperator

    model, data = written_out(trained()), draw(n, 0)
    answers = data.targets.flatten() >= 0

    class Scores(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            final = self.model.hidden_states(inputs)[-1]
            return self.model.logits(final.flatten(0, 1)[answers])

    loss = torch.nn.CrossEntropyLoss()
    return HessianLinearOperator(
        Scores(),
        loss,
        list(model.parameters()),
        [(data.inputs, data.targets.flatten()[answers])],
        check_deterministic=False,
        num_data=n,
        batch_size_fn=len,
    )


def job_hessian_top() -> dict:
    model, data = trained(), draw(64, 0)

    def work():
        hessian = HessianOfLoss(model, data.inputs, data.targets)
        return hessian_top(hessian, torch.Generator().manual_seed(0))

    found = [timed(work) for _ in range(3)]
    return {"seconds": [t for t, _ in found], "values": [r.value for _, r in found]}


def job_curvlinops_top() -> dict:
    from scipy.sparse.linalg import eigsh

    def work() -> float:
        with sdpa_kernel(SDPBackend.MATH):
            operator = _curvlinops(64).to_scipy()
            return float(eigsh(operator, k=1, which="LA", tol=TOLERANCE)[0][0])

    found = [timed(work) for _ in range(3)]
    return {"seconds": [t for t, _ in found], "values": [r for _, r in found]}


def job_hessian_trace() -> dict:
    data, generator = draw(256, 0), torch.Generator().manual_seed(0)
    seconds, (value, stderr) = timed(
        lambda: hessian_trace(trained(), data.inputs, data.targets, generator, PROBES)
    )
    return {"seconds": [seconds], "values": [value], "stderr": stderr}


def job_curvlinops_trace() -> dict:
    from curvlinops import hutchinson_trace

    def work() -> float:
        torch.manual_seed(0)
        with sdpa_kernel(SDPBackend.MATH):
            return float(hutchinson_trace(_curvlinops(256), PROBES))

    seconds, value = timed(work)
    return {"seconds": [seconds], "values": [value]}


def job_rankme() -> dict:
    """All task-levels and layers, with everything else that a checkpoint measures."""
    evaluation = Evaluation.fixed(SUITES["paper"], torch.device("cpu"))
    return {"seconds": [timed(lambda: measure(trained(), evaluation))[0] for _ in range(REPEATS)]}


def job_forward_passes() -> dict:
    evaluation = Evaluation.fixed(SUITES["paper"], torch.device("cpu"))

    @torch.no_grad()
    def work() -> None:
        for some in evaluation.problems.values():
            trained().logits(trained().hidden_states(some.tokens[:, :-1])[-1])

    return {"seconds": [timed(work)[0] for _ in range(REPEATS)]}


def job_shortcut() -> dict:
    """Gradient rank of all parameters and of the first 50,000."""
    data = draw(256, 0)
    passes = ForwardPass(trained(), data.inputs, data.targets)
    whole, first = gradient_rank(passes), gradient_rank(passes, FIRST_PARAMETERS)
    return {"values": [float(whole), float(first)]}


def _large(measure_it: Callable[[Decoder, Batch], object]) -> dict:
    seconds, _ = timed(lambda: measure_it(decoder(768, 12, 12), draw(512, 0)))
    return {"seconds": [seconds]}


def job_large_nothing() -> dict:
    return _large(lambda model, data: None)


def job_large_gradient_rank() -> dict:
    return _large(
        lambda model, data: gradient_rank(ForwardPass(model, data.inputs[:64], data.targets[:64]))
    )


def job_large_fisher_rank() -> dict:
    generator = torch.Generator().manual_seed(0)
    return _large(
        lambda model, data: fisher_rank(
            ForwardPass(model, data.inputs[:64], data.targets[:64]), generator
        )
    )


def job_large_hessian_top() -> dict:
    """Three products: memory does not grow with more."""
    generator = torch.Generator().manual_seed(0)
    return _large(
        lambda model, data: hessian_top(
            HessianOfLoss(model, data.inputs[:32], data.targets[:32], block=8),
            generator,
            max_steps=3,
        )
    )


def job_large_hessian_trace() -> dict:
    generator = torch.Generator().manual_seed(0)
    return _large(
        lambda model, data: hessian_trace(
            model, data.inputs[:32], data.targets[:32], generator, probes=2
        )
    )


def job_large_llc() -> dict:
    """Four steps of each chain, with parts of the task-levels: memory does not grow with more steps, nor
    with more samples, which go through in blocks of a minibatch.
    """
    sampler = Sampler(1e-6, 100.0, 100.0, chains=2, burn_in=0, draws=4, batch=32, thinning=1)
    generator, groups = torch.Generator().manual_seed(0), parts(16)
    return _large(
        lambda model, data: llc(model, data.losses, len(data), sampler, generator, groups=groups)
    )


# --- the tables -------------------------------------------------------------------------------


def run(name: str) -> dict:
    """A job in a process of its own, with its peak memory in MB."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.measures", name],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    sys.stderr.write(f"{name} done\n")
    return json.loads(done.stdout.splitlines()[-1])


def median(found: dict) -> float:
    return statistics.median(found["seconds"])


def llc_table() -> Iterator[str]:
    limit, ours, with_parts = run("gradient_steps"), run("llc"), run("llc_with_parts")
    default, full = run("devinterp"), run("devinterp_full_pass")
    s = SAMPLER
    yield "## LLC\n"
    yield (
        f"{s.chains} chains of {s.draws} draws, minibatches of {s.batch} from 1,024 samples, the "
        f"same step size, localisation and temperature, {REPEATS} repetitions. The Monte-Carlo "
        "error is the standard deviation over repetitions; its own relative error is "
        f"{1 / (2 * (REPEATS - 1)) ** 0.5:.0%}. The last column is the time of as many chains as "
        "give devinterp's default error.\n"
    )
    yield "| | seconds | beside the limit | LLC | Monte-Carlo error | seconds to that error |"
    yield "|---|---|---|---|---|---|"
    yield f"| the gradients alone (the limit) | {median(limit):.1f} | 1 | | | |"
    target = statistics.stdev(default["values"])
    for name, found in (
        ("`emergence_training.measures.llc`", ours),
        ("the same, with the parts of 24 task-levels", with_parts),
        (f"devinterp {version('devinterp')}, its initial loss", default),
        ("devinterp, initial loss from all samples", full),
    ):
        error = statistics.stdev(found["values"])
        yield (
            f"| {name} | {median(found):.1f} | {median(found) / median(limit):.2f} | "
            f"{statistics.mean(found['values']):.2f} | {error:.2f} | "
            f"{median(found) * (error / target) ** 2:.1f} |"
        )
    yield ""


def hessian_tables() -> Iterator[str]:
    base = run("nothing")["peak"]
    ours, peer = run("hessian_top"), run("curvlinops_top")
    yield f"## Hessian, largest eigenvalue, 64 samples, residual at most {TOLERANCE:.0%}\n"
    yield "| | seconds | value |"
    yield "|---|---|---|"
    yield f"| `emergence_training.measures.hessian.top` | {median(ours):.2f} | {ours['values'][0]:.3f} |"
    yield (
        f"| curvlinops {version('curvlinops-for-pytorch')} and scipy's `eigsh` | "
        f"{median(peer):.2f} ({median(peer) / median(ours):.1f}x) | {peer['values'][0]:.3f} |\n"
    )
    ours, peer = run("hessian_trace"), run("curvlinops_trace")
    yield f"## Hessian, trace, 256 samples, {PROBES} probes\n"
    yield "Memory is the peak above that of a process that holds the same model and data.\n"
    yield "| | seconds | value | memory |"
    yield "|---|---|---|---|"
    for name, found in (
        ("`emergence_training.measures.hessian.trace`", ours),
        ("curvlinops `hutchinson_trace`", peer),
    ):
        stderr = f" ± {found['stderr']:.0f}" if "stderr" in found else ""
        yield (
            f"| {name} | {median(found):.1f} | {found['values'][0]:.0f}{stderr} | "
            f"{found['peak'] - base:.0f} MB |"
        )
    yield ""


def rankme_table() -> Iterator[str]:
    ours, limit = run("rankme"), run("forward_passes")
    yield "## RankMe, three poolings, all layers and task-levels, with accuracy and log-probability\n"
    yield "| | seconds |"
    yield "|---|---|"
    yield f"| `emergence_training.checkpoints.forward.measure` | {median(ours):.2f} |"
    yield f"| the forward passes alone | {median(limit):.2f} |"
    yield f"\nRatio {median(ours) / median(limit):.2f}.\n"


def shortcut() -> Iterator[str]:
    whole, first = run("shortcut")["values"]
    yield "## Gradient rank of all parameters and of the first 50,000\n"
    yield f"256 samples: {whole:.1f} of all parameters, {first:.1f} of the first 50,000.\n"


def memory_table() -> Iterator[str]:
    yield "## Peak memory at 85M parameters (d = 768, 12 blocks)\n"
    yield (
        "Of the whole process. Gradients of 64 samples; the Hessian of 32 samples in blocks of 8; "
        "an LLC with minibatches of 32.\n"
    )
    yield "| | peak |"
    yield "|---|---|"
    for name, label in (
        ("large_nothing", "the model alone"),
        ("large_gradient_rank", "gradient_rank"),
        ("large_fisher_rank", "fisher_rank"),
        ("large_hessian_top", "hessian_top"),
        ("large_hessian_trace", "hessian_trace"),
        ("large_llc", "llc"),
    ):
        yield f"| {label} | {run(name)['peak'] / 1000:.2f} GB |"


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if len(sys.argv) > 1:
        trained()  # outside of any job's own choice of kernels: another one is another model
        found = globals()[f"job_{sys.argv[1]}"]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(json.dumps({**found, "peak": peak}))
        return
    print("# The measures beside other people's code\n")
    print("Printed by `python -m benchmarks.measures`; nothing here is typed in.\n")
    print(f"Machine: {machine()}, torch {version('torch')}, one thread.\n")
    for part in (llc_table(), hessian_tables(), rankme_table(), shortcut(), memory_table()):
        for line in part:
            print(line, flush=True)


if __name__ == "__main__":
    main()
