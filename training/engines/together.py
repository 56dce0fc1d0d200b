"""Many seeds of one scale in one process: each step is taken for all of them at once, by `torch.func`.

A small model leaves a GPU idle; some dozens of them do not. The models of the seeds are slices of stacked tensors, so that all
else (measures, saved states) sees single trainings. Every operation treats the slices alike and apart: a seed's traces do not
depend on its company, and differ from those of a training alone by rounding, since the products are computed in another order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from emergence_stats.errors import EmergenceStatsError, UsageError

from ..loop import Data, Training, products_in
from ..model import Decoder, static_answer_loss
from ..model.pieces import Pieces
from ..run import Underway, timed, write
from ..suites.schedules import learning_rate
from .outcome import BEING_MADE, THERE, BeingMadeError, Outcome, ThereError
from .partial import RunInProgress, ends_well
from .task import Task
from .workplace import Workplace

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Together:
    """Trainings of one scale of one suite that are at the same step. Their models and optimisers become parts of it."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = trainings
        first = trainings[0]
        self._suite, self._scale, self._device = first.suite, first.scale, first.device
        if self._suite.equal_steps:
            raise UsageError(
                f"suite {self._suite.name} changes the steps of each model, so that seeds are trained one by one"
            )
        self.pieces = Pieces(first.device)
        self.pieces.n = max(t.pieces.n for t in trainings)
        for t in trainings:
            t.pieces = self.pieces
        self._owned = [list(t.model.parameters()) for t in trainings]  # by training, in one order
        self._names = [name for name, _ in first.model.named_parameters()]
        self._stacked = [
            nn.Parameter(torch.stack([p.detach() for p in each]))
            for each in zip(*self._owned, strict=True)
        ]
        self._optimiser = torch.optim.AdamW(
            self._stacked,
            lr=learning_rate(self._suite, self._scale, 0),
            betas=self._suite.betas,
            weight_decay=self._suite.weight_decay,
            fused=True,
        )
        for number, parameters in enumerate(self._owned):
            for p, stacked in zip(parameters, self._stacked, strict=True):
                p.data = stacked.detach()[number]
        if first.optimiser.state:  # they go on from saved states
            self._gather_moments()
            self._share_moments()
        alone = _Loss(copy.deepcopy(first.model).to("meta"))
        self._gradients = vmap(grad(_of_parameters(alone)))

    def steps(self, first: int = 0) -> Iterator[tuple[int, list[tuple[Tensor, Tensor]]]]:
        """(step, inputs and targets of each training) before the update of each step, and once after the last."""
        data = [Data(t.suite, t.scale, t.seed, t.device) for t in self.trainings]
        for step in range(first, self._suite.last_step + 1):
            batches = [its.batch(step) for its in data]
            yield step, batches
            if step < self._suite.last_step:
                self._update(step, batches)

    def _update(self, step: int, batches: list[tuple[Tensor, Tensor]]) -> None:
        inputs, targets = (torch.stack(each) for each in zip(*batches, strict=True))
        gradients = self.pieces.taken(
            inputs.shape[1], lambda n: self._mean_gradients(inputs, targets, n)
        )
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        shares = (self._suite.clip_norm / (norms + 1e-6)).clamp(max=1.0)  # as torch clips one model
        for p, g in zip(self._stacked, gradients, strict=True):
            p.grad = g * shares.view(-1, *[1] * (g.dim() - 1))
        for optimiser in (self._optimiser, *(t.optimiser for t in self.trainings)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(self._suite, self._scale, step)
        had_moments = bool(self._optimiser.state)
        self._optimiser.step()
        if not had_moments:
            self._share_moments()

    def _mean_gradients(self, inputs: Tensor, targets: Tensor, n: int) -> list[Tensor]:
        """By parameter, of all trainings, those of the mean losses of their batches (trainings, batch, tokens), in `n` pieces."""
        parameters = {name: p.detach() for name, p in zip(self._names, self._stacked, strict=True)}
        # the fused attention of a CPU has no rule for stacks
        attention = sdpa_kernel(SDPBackend.MATH) if self._device.type == "cpu" else nullcontext()
        with products_in(self._suite.precision, self._device), attention:
            if n == 1:
                found = self._gradients(parameters, inputs, targets)
                return [found[name] for name in self._names]
            total = [torch.zeros_like(p) for p in parameters.values()]
            answers = (targets >= 0).sum((1, 2))
            for x, y in zip(inputs.chunk(n, 1), targets.chunk(n, 1), strict=True):
                found = self._gradients(parameters, x, y)
                share = (y >= 0).sum((1, 2)) / answers
                for whole, name in zip(total, self._names, strict=True):
                    whole += found[name] * share.view(-1, *[1] * (whole.dim() - 1))
        return total

    def _gather_moments(self) -> None:
        """Stack what the trainings' own optimisers have, who are at the same step."""
        for number, stacked in enumerate(self._stacked):
            states = [
                t.optimiser.state[parameters[number]]
                for t, parameters in zip(self.trainings, self._owned, strict=True)
            ]
            self._optimiser.state[stacked] = {
                "step": states[0]["step"].clone(),
                **{name: torch.stack([state[name] for state in states]) for name in _MOMENTS},
            }

    def _share_moments(self) -> None:
        """Give each training's own optimiser its parts."""
        for number, stacked in enumerate(self._stacked):
            state = self._optimiser.state[stacked]
            for i, (t, parameters) in enumerate(zip(self.trainings, self._owned, strict=True)):
                t.optimiser.state[parameters[number]] = {
                    "step": state["step"],
                    **{name: state[name][i] for name in _MOMENTS},
                }


class _Loss(nn.Module):
    """The loss as a module, which `functional_call` wants."""

    def __init__(self, model: Decoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return static_answer_loss(self.model, inputs, targets)


def _of_parameters(alone: _Loss) -> Callable[[dict[str, Tensor], Tensor, Tensor], Tensor]:
    def loss(parameters: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        own = {f"model.{name}": p for name, p in parameters.items()}
        found: Tensor = functional_call(alone, own, (inputs, targets))
        return found

    return loss


def train_together(
    tasks: Sequence[Task], progress: Callable[[str, int, float], None] | None = None
) -> Iterator[tuple[str, Outcome | Exception]]:
    """Train, measure and write the runs of several seeds of one scale; continue those that an earlier process began.

    Gives each run when it ends, and how, or why it was not written. Runs that are at different steps are taken in groups of one
    step. `progress`: run, step, loss. Those that another collection makes, or has made by now, are left to it. Raises what
    `train` does before anything is written.
    """
    work = Workplace.of(tasks[0].store, tasks[0].scratch)
    with ends_well(tasks[0], work), ExitStack() as stack:
        runs = list[tuple[Underway, RunInProgress]]()
        for task in tasks:
            try:
                partial = stack.enter_context(RunInProgress(work.scratch, task))
            except ThereError:
                yield task.run_id, THERE
            except BeingMadeError:
                yield task.run_id, BEING_MADE
            else:
                runs.append((Underway(task, partial, _told(progress, task)), partial))
        for first in sorted({run.first_step for run, _ in runs}):
            some = [(run, partial) for run, partial in runs if run.first_step == first]
            _train([run for run, _ in some], first)
            for run, partial in some:
                try:
                    with ends_well(run.task, work):
                        outcome = Outcome.of(write(run, work, partial))
                except (EmergenceStatsError, OSError) as error:  # the others may be written
                    yield run.task.run_id, error
                else:
                    yield run.task.run_id, outcome


def _train(runs: Sequence[Underway], first: int) -> None:
    """Take the runs from a step to their end."""
    together = Together([run.training for run in runs if isinstance(run.training, Training)])
    for run in runs:
        run.together = len(runs)
    for seconds, (step, batches) in timed(together.steps(first)):
        for run, (inputs, targets) in zip(runs, batches, strict=True):
            run.spent += seconds / len(runs)
            run.at(step, inputs, targets)
        if all(run.stopped is not None for run in runs):
            return


def _told(
    progress: Callable[[str, int, float], None] | None, task: Task
) -> Callable[[int, int, float], None] | None:
    if progress is None:
        return None
    return lambda step, _steps, loss: progress(task.run_id, step, loss)
