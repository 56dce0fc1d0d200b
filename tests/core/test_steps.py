"""The largest step of a trace, and how well it is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats.core.events.steps import largest_step
from emergence_stats.core.runs import TraceSet

STEPS = np.unique(np.round(np.geomspace(90, 8000, 54)).astype(int))


def traces(values):
    n, k = values.shape
    return TraceSet(
        "m", np.array([f"t{i}" for i in range(n)]), np.zeros(n, int), np.full(n, -1),
        np.tile(STEPS[:k], (n, 1)), values, np.full((n, k), np.nan), np.full(n, k),
    )  # fmt: skip


@given(st.integers(5, 48), st.floats(0.5, 50), st.booleans(), st.integers(0, 1000))
def test_a_step_lies_in_its_interval_whatever_its_size_and_direction(at, size, falls, seed):
    k = len(STEPS)
    at = min(at, k - 5)
    values = (np.arange(k) >= at) * size * (-1 if falls else 1)
    noise = np.random.default_rng(seed).normal(0, 0.02 * size, k)
    found = largest_step(traces((values + noise)[None] + 7.0))
    assert found.lo[0] <= STEPS[at - 1]
    assert found.hi[0] >= STEPS[at]
    assert np.log(found.hi[0] / found.lo[0]) < 0.6


@pytest.mark.parametrize("k", [30, 54])
def test_noise_makes_no_step_in_99_of_100_traces(k):
    noise = np.random.default_rng(0).standard_normal((3000, k))
    assert largest_step(traces(noise)).observed.mean() <= 0.013


def test_a_trace_that_leaves_and_comes_back_steps_where_it_does():
    values = np.random.default_rng(1).normal(0, 0.1, len(STEPS))
    values[25:28] -= 10.0
    found = largest_step(traces(values[None]))
    assert STEPS[20] <= found.lo[0] <= found.hi[0] <= STEPS[32]


def test_only_checkpoints_after_a_step_count_and_short_traces_have_no_step():
    values = (np.arange(len(STEPS)) >= 10) * 5.0 + (np.arange(len(STEPS)) >= 40) * 1.0
    noisy = values + np.random.default_rng(2).normal(0, 0.05, len(STEPS))
    early, late = (
        largest_step(traces(noisy[None]), after=a) for a in (None, np.array([STEPS[15]]))
    )
    assert early.hi[0] <= STEPS[12]
    assert STEPS[38] <= late.hi[0] <= STEPS[42]
    assert not largest_step(traces(noisy[None, :8])).observed[0]
    assert not largest_step(traces(noisy[None]), least=10.0).observed[0]
    with pytest.raises(ValueError, match="width"):
        largest_step(traces(noisy[None]), width=1)
