"""What a GPU needs of the training loop, seen on a CPU: fixed shapes, no waiting, one stream of data, a stated precision."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from emergence_training.checkpoints.forward import Evaluation, measure  # noqa: E402
from emergence_training.loop import CHUNK_STEPS, Data, Training, products_in  # noqa: E402
from emergence_training.model import answer_loss, static_answer_loss  # noqa: E402
from emergence_training.suites import SUITES, Scale  # noqa: E402

CPU = torch.device("cpu")
SCALE = Scale(16, 2, heads=2)
TINY = dataclasses.replace(SUITES["smoke"], scales=(SCALE,), steps=30, dense_steps=5, checkpoints=9)
# What makes a CPU wait for a GPU: a number, or a shape, that only the device knows.
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "item")


class Waits(TorchDispatchMode):
    """Counts the operations that a GPU would have to be waited for."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.partition(".")[0]
        by_mask = name in ("index", "index_put", "index_put_") and any(
            i is not None and i.dtype == torch.bool for i in args[1]
        )
        if name.strip("_") in {wait.strip("_") for wait in WAITS} or by_mask:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def training(loss=static_answer_loss, **fields):
    made = Training(dataclasses.replace(TINY, **fields), SCALE, 0, CPU)
    made.loss = loss
    return made


def test_no_step_waits_for_the_device():
    steps = training().steps()
    next(steps)
    with Waits() as waits:
        for _ in range(10):
            next(steps)
    assert waits.found == []


def test_what_waits_is_found():
    steps = training(answer_loss).steps()
    next(steps)
    with Waits() as waits:
        next(steps)
    assert waits.found


def test_the_loss_of_fixed_shapes_is_the_loss():
    made = training()
    inputs, targets = Data(TINY, SCALE, 0, CPU).batch(3)
    for loss in (answer_loss, static_answer_loss):
        made.model.zero_grad()
        loss(made.model, inputs, targets).backward()
        gradients = [p.grad.clone() for p in made.model.parameters()]
        if loss is answer_loss:
            expected = gradients
    for a, b in zip(expected, gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_batches_are_those_of_their_step_whatever_was_asked_before():
    data, other = Data(TINY, SCALE, 0, CPU), Data(TINY, SCALE, 0, CPU)
    forth = {step: data.batch(step) for step in (0, 1, CHUNK_STEPS, CHUNK_STEPS + 1)}
    for step in (CHUNK_STEPS + 1, 0, CHUNK_STEPS, 1):
        for a, b in zip(forth[step], other.batch(step), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(forth[0][0], forth[1][0])


def losses(**fields):
    made = training(**fields)
    list(made.steps())
    readings = measure(made.model, Evaluation.fixed(TINY, CPU))
    assert {p.dtype for p in made.model.parameters()} == {torch.float32}
    return {r.name: r.values for r in readings if r.values.ndim == 0 or r.name == "rankme"}


def test_products_of_half_the_precision_train_nearly_alike_and_are_measured_in_float32():
    whole, half = losses(), losses(precision="bf16")
    assert half["loss"] != whole["loss"]
    assert half["loss"] == pytest.approx(whole["loss"], rel=0.01)
    assert half["rankme"] == pytest.approx(whole["rankme"], rel=0.2)


def test_the_precision_of_products_ends_with_them():
    before = torch.backends.cuda.matmul.allow_tf32
    for precision in (None, "tf32", "bf16"):
        with products_in(precision, CPU):
            made = torch.ones(2, 2) @ torch.ones(2, 2)
            assert made.dtype == (torch.bfloat16 if precision == "bf16" else torch.float32)
            assert torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
        assert torch.backends.cuda.matmul.allow_tf32 == before


def test_the_precision_is_part_of_what_determines_a_run():
    half = dataclasses.replace(TINY, precision="bf16")
    assert half.config(SCALE, 0) == {**TINY.config(SCALE, 0), "precision": "bf16"}
