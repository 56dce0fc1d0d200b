"""What a run needs of memory, and that what it has freed does not stay with its process."""

import dataclasses
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emergence_training.checkpoints import forward, memory  # noqa: E402
from emergence_training.loop import Training  # noqa: E402
from emergence_training.suites import SUITES, Scale  # noqa: E402

MIB = 2**20


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems do not say what is resident"
)
def test_what_is_freed_between_blocks_that_stay_is_given_back(monkeypatch):
    if memory._trim() is None:
        pytest.skip("another C library than glibc")
    monkeypatch.setattr(memory, "SPARE", 64 * MIB)
    spare, kept = memory.Spare(), []
    for _ in range(2000):  # 100 kB each: from the heap, and not in pages of their own
        freed = [torch.ones(25_000) for _ in range(2)]
        kept.append((freed.pop(), torch.ones(16)))
    before = memory._resident()
    kept = [small for _, small in kept]
    assert memory._resident() > before - 64 * MIB  # what is the case here
    assert spare.give_back()
    assert memory._resident() < before - 64 * MIB
    assert not spare.give_back()


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
