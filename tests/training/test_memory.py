"""What a run has freed does not stay with its process."""

import sys

import pytest

torch = pytest.importorskip("torch")

from emergence_training.checkpoints import memory  # noqa: E402

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
