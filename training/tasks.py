"""The eight algorithmic tasks, three levels each, as vectorised generators.

A problem is one token sequence ``[task] input [=] answer``. All problems of one task-level have
the same prompt length and the same answer length, so a batch of one task-level needs no padding.

Numbers are written least significant digit first, operands and answers alike: a decoder then
meets a carry before it has to use it, and the tasks are learnable at 10K parameters.

Some task-levels have fewer distinct problems than the 200 evaluation samples (``parity`` level 0
has 8, addition modulo 5 has 25). Their evaluation samples are draws *with repetition* from the
training distribution, so accuracy there is the probability of answering a problem that training
has shown many times: it measures fitting, not generalisation to unseen problems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]

TASKS = ("copy", "reverse", "compare", "parity", "add", "mod", "sort", "mul")
LEVELS = (0, 1, 2)
TASK_LEVELS = tuple((task, level) for task in TASKS for level in LEVELS)

# Tokens 0-9 are the digits.
TASK_TOKEN = {task: 10 + i for i, task in enumerate(TASKS)}
EQUALS, COMMA, LESS, GREATER = 18, 19, 20, 21
VOCABULARY = 22
IGNORE = -1  # target of a position that is not an answer; PyTorch's `ignore_index`

_LENGTHS = {"copy": (3, 4, 6), "reverse": (3, 4, 6), "sort": (3, 4, 6), "parity": (3, 4, 5)}
_DIGITS = {"compare": (1, 2, 3), "add": (1, 2, 3)}
_MUL_DIGITS = ((1, 1), (2, 1), (2, 2))
_MODULI = (5, 7, 11)


@dataclass(frozen=True)
class Shape:
    """Lengths in tokens of one task-level: the prompt includes the task token and ``=``."""

    prompt: int
    answer: int

    @property
    def total(self) -> int:
        return self.prompt + self.answer


def digits(numbers: Tokens, width: int) -> Tokens:
    """Write non-negative `numbers` (n,) in base ten, least significant first -> (n, width)."""
    return numbers[:, None] // 10 ** np.arange(width) % 10


def _sequence_problem(
    rng: np.random.Generator, n: int, task: str, level: int
) -> tuple[Tokens, Tokens]:
    high = 2 if task == "parity" else 10
    x = rng.integers(0, high, (n, _LENGTHS[task][level]))
    if task == "copy":
        return x, x
    if task == "reverse":
        return x, x[:, ::-1]
    if task == "sort":
        return x, np.sort(x, axis=1)
    return x, x.sum(1, keepdims=True) % 2


def _operands(a: Tokens, a_width: int, b: Tokens, b_width: int) -> Tokens:
    comma = np.full((len(a), 1), COMMA)
    return np.concatenate([digits(a, a_width), comma, digits(b, b_width)], axis=1)


def _compare_problem(rng: np.random.Generator, n: int, level: int) -> tuple[Tokens, Tokens]:
    width = _DIGITS["compare"][level]
    top = 10**width
    # Never equal, so that the two answers are equally likely: chance is exactly one half.
    a = rng.integers(0, top, n)
    b = (a + rng.integers(1, top, n)) % top
    return _operands(a, width, b, width), np.where(a < b, LESS, GREATER)[:, None]


def _add_problem(rng: np.random.Generator, n: int, level: int) -> tuple[Tokens, Tokens]:
    width = _DIGITS["add"][level]
    a, b = rng.integers(0, 10**width, (2, n))
    return _operands(a, width, b, width), digits(a + b, width + 1)


def _mod_problem(rng: np.random.Generator, n: int, level: int) -> tuple[Tokens, Tokens]:
    modulus = _MODULI[level]
    a, b = rng.integers(0, modulus, (2, n))
    # The modulus is written out: the three levels have the same length and would look alike.
    stated = np.concatenate([np.full((n, 1), COMMA), digits(np.full(n, modulus), 2)], axis=1)
    return np.concatenate([_operands(a, 2, b, 2), stated], axis=1), digits((a + b) % modulus, 2)


def _mul_problem(rng: np.random.Generator, n: int, level: int) -> tuple[Tokens, Tokens]:
    wide, narrow = _MUL_DIGITS[level]
    a, b = rng.integers(0, 10**wide, n), rng.integers(0, 10**narrow, n)
    return _operands(a, wide, b, narrow), digits(a * b, wide + narrow)


_ARITHMETIC: dict[str, Callable[[np.random.Generator, int, int], tuple[Tokens, Tokens]]] = {
    "compare": _compare_problem,
    "add": _add_problem,
    "mod": _mod_problem,
    "mul": _mul_problem,
}


def problems(rng: np.random.Generator, task: str, level: int, n: int) -> tuple[Tokens, Shape]:
    """Draw `n` problems of one task-level: tokens (n, prompt + answer) and their `Shape`."""
    if task in _ARITHMETIC:
        question, answer = _ARITHMETIC[task](rng, n, level)
    else:
        question, answer = _sequence_problem(rng, n, task, level)
    start = np.full((n, 1), TASK_TOKEN[task])
    equals = np.full((n, 1), EQUALS)
    tokens = np.concatenate([start, question, equals, answer], axis=1).astype(np.int64)
    return tokens, Shape(prompt=question.shape[1] + 2, answer=answer.shape[1])


def _shape(task: str, level: int) -> Shape:
    return problems(np.random.default_rng(0), task, level, 1)[1]


SHAPES = {(task, level): _shape(task, level) for task, level in TASK_LEVELS}
CONTEXT = max(shape.total for shape in SHAPES.values()) - 1  # the last token is never an input


def inputs_and_targets(
    rng: np.random.Generator, task: str, level: int, n: int, *, shuffled: bool = False
) -> tuple[Tokens, Tokens]:
    """Draw `n` problems of one task-level as inputs and targets (n, prompt + answer - 1).

    Targets are `IGNORE` except where an answer token is predicted. `shuffled`: each problem has the
    answer of another one, drawn independently, so that only the frequencies of answers can be
    learned.
    """
    tokens, shape = problems(rng, task, level, n)
    if shuffled:
        others, _ = problems(rng, task, level, n)
        tokens[:, shape.prompt :] = others[:, shape.prompt :]
    inputs = tokens[:, :-1]
    targets = np.full_like(inputs, IGNORE)
    targets[:, shape.prompt - 1 :] = tokens[:, shape.prompt :]
    return inputs, targets


def mixture(rng: np.random.Generator, n: int, *, shuffled: bool = False) -> tuple[Tokens, Tokens]:
    """Draw `n` problems, each of a task-level chosen uniformly from the 24.

    `shuffled`, inputs and targets (n, CONTEXT) are as for `inputs_and_targets`; inputs are padded with 0
    to the right of the last one, where a causal model cannot see them.
    """
    inputs = np.zeros((n, CONTEXT), dtype=np.int64)
    targets = np.full((n, CONTEXT), IGNORE, dtype=np.int64)
    which = rng.integers(0, len(TASK_LEVELS), n)
    for i, (task, level) in enumerate(TASK_LEVELS):
        rows = np.flatnonzero(which == i)
        if rows.size == 0:
            continue
        some_inputs, some_targets = inputs_and_targets(
            rng, task, level, rows.size, shuffled=shuffled
        )
        inputs[rows, : some_inputs.shape[1]] = some_inputs
        targets[rows, : some_targets.shape[1]] = some_targets
    return inputs, targets
