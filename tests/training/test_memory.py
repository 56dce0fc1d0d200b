"""What a run needs of memory, and that what it has freed does not stay with its process."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emergence_training.checkpoints import forward, memory  # noqa: E402
from emergence_training.loop import Training  # noqa: E402
from emergence_training.suites import SUITES, Scale  # noqa: E402

MIB = 2**20


FREED_BETWEEN = """
import torch
from emergence_training.checkpoints import memory
memory.SPARE = 64 * 2**20
spare, kept = memory.Spare(), []
for _ in range(4000):  # 100 kB and 4 kB: both from the heap, and not in pages of their own
    kept.append((torch.ones(25_000), torch.ones(1_000)))
held = memory._resident()
kept = [small for _, small in kept]
freed = memory._resident()
print(spare.give_back(), held, freed, memory._resident(), spare.give_back())
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems do not say what is resident"
)
def test_what_is_freed_between_blocks_that_stay_is_given_back():
    if memory._trim() is None:
        pytest.skip("another C library than glibc")
    # A process of its own: what this one has freed before decides where its blocks come to lie.
    done = subprocess.run(
        [sys.executable, "-c", FREED_BETWEEN], capture_output=True, text=True, check=True
    )
    first, held, freed, given_back, second = done.stdout.split()
    assert (first, second) == ("True", "False")
    assert int(freed) > int(held) - 64 * MIB  # glibc has kept it
    assert int(given_back) < int(freed) - 256 * MIB


def test_states_of_few_task_levels_are_kept_at_a_time_and_all_give_the_same(monkeypatch):
    suite = dataclasses.replace(SUITES["smoke"], evaluation_samples=20, centred=True)
    model = Training(suite, Scale(8, 2, heads=2), 0, torch.device("cpu")).model
    evaluation = forward.Evaluation.fixed(suite, torch.device("cpu"))
    ranked = []

    def rankme(states, *, centred):
        ranked.append(states.shape[1])
        return original(states, centred=centred)

    original = forward.rankme
    monkeypatch.setattr(forward, "rankme", rankme)
    together = forward.measure(model, evaluation)
    assert ranked == [24, 24]
    of_one = 3 * 4 * 20 * 8 * 8  # poolings, layers, samples, width, bytes
    monkeypatch.setattr(forward, "RANKED_BYTES", 5 * of_one)
    apart = forward.measure(model, evaluation)
    assert ranked[2:] == [5, 5] * 4 + [4, 4]
    for a, b in zip(together, apart, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.values, b.values)
