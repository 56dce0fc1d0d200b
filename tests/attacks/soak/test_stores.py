"""Several writers that are killed at random moments beside readers. `make soak` takes a minute over it.

The moments differ from run to run; what is asserted holds at every one.
"""

import multiprocessing
import os
import random
import sys
import time

from emergence_stats.errors import TraceError
from emergence_stats.traces import write
from emergence_stats.traces.store import Store
from tests.support import add_run

SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))
WRITERS = int(os.environ.get("SOAK_WRITERS", "3"))
READERS = int(os.environ.get("SOAK_READERS", "2"))
RUNS, KILLS = 4, 12  # kills: at least


def _write(number, folder):
    chance = random.Random(number)
    while True:
        add_run(folder, chance.randrange(RUNS), tasks=("add",), noise=chance.uniform(0.01, 0.2))


def _read(folder, stop, read):
    while not stop.is_set():
        store = Store.open(folder)
        names = {run.manifest.run_id for run in store.runs}
        assert len(names | set(store.unfinished)) == RUNS
        for run in store.runs:
            try:
                whole = store.read(run).num_rows == run.manifest.rows
            except TraceError as error:  # between opening and reading, and said so
                whole = "was replaced after" in str(error)
            assert whole
            read.value += 1


def test_writers_killed_at_random_lose_nothing_and_readers_see_no_fault(tmp_path):
    for seed in range(RUNS):
        add_run(tmp_path, seed, tasks=("add",))
    context, chance = multiprocessing.get_context("fork"), random.Random(0)
    stop, read = context.Event(), context.Value("q")
    numbers = iter(range(10**6))

    def start():
        process = context.Process(target=_write, args=(next(numbers), tmp_path))
        process.start()
        return process

    readers = [context.Process(target=_read, args=(tmp_path, stop, read)) for _ in range(READERS)]
    writers = [start() for _ in range(WRITERS)]
    for process in readers:
        process.start()
    end, kills = time.monotonic() + SECONDS, 0
    while time.monotonic() < end or kills < KILLS:
        time.sleep(chance.uniform(0.02, 0.2))
        number = chance.randrange(WRITERS)
        assert writers[number].is_alive()  # no writer ever ends by itself
        writers[number].kill()
        writers[number].join()
        kills += 1
        writers[number] = start()
    stop.set()
    for process in writers:
        process.kill()
        process.join()
    for process in readers:
        process.join()
    sys.stdout.write(f"{kills} writers killed, {read.value} runs read\n")
    assert [process.exitcode for process in readers] == [0] * READERS
    write.recover(tmp_path)
    store = Store.open(tmp_path)
    assert len(store.runs) == RUNS
    assert all(store.read(run).num_rows == run.manifest.rows for run in store.runs)
    assert not list(tmp_path.rglob("*.pending"))
