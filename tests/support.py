"""What tests share: simulated stores with planted truths, the command line, and edits of source.

Nothing here is measured, and nothing of it is shipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from emergence_stats import Run, Store
from emergence_stats.__main__ import main
from emergence_stats.traces.write import write_run

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

# --- simulated runs ---------------------------------------------------------------------------

STEPS = np.unique(np.round(np.geomspace(1, 3000, 70)).astype(int)).tolist()
STEPS = [0, *STEPS]
TASKS = ("copy", "reverse", "compare", "parity", "add", "mod", "sort", "mul")


def simulated_table(
    rng,
    *,
    n_layers=4,
    tasks=TASKS,
    top_down=True,
    floor=2.0,
    collapses=True,
    learns=True,
    noise=0.01,
):
    """Traces of one run: RankMe falls from 12 to `floor` within some 30 steps and recovers by 100;
    accuracy rises between steps 200 and 2,000, or stays at 0 where the run does not learn."""
    steps = np.array(STEPS, float)
    columns = {name: [] for name in ("step", "task", "level", "layer", "measure", "value")}

    def add(measure, task, level, layer, values):
        columns["step"] += STEPS
        columns["task"] += [task] * len(STEPS)
        columns["level"] += [level] * len(STEPS)
        columns["layer"] += [layer] * len(STEPS)
        columns["measure"] += [measure] * len(STEPS)
        columns["value"] += list(values)

    for task in tasks:
        for level in range(3):
            emerges = rng.uniform(200, 2000)
            accuracy = learns / (1 + np.exp(-6 * np.log((steps + 1) / emerges)))
            add("accuracy", task, level, None, np.clip(accuracy, 0, 1))
            add("log_prob", task, level, None, np.log(0.05 + 0.9 * accuracy))
            for layer in range(n_layers + 2):
                depth = min(max(layer, 1), n_layers)
                order = n_layers + 1 - depth if top_down else rng.permutation(n_layers)[depth - 1]
                half = 5 * 1.5**order * np.exp(rng.normal(0, 0.02))
                down = 1 / (1 + (steps / half) ** 6)
                up = 1 / (1 + (150 / (steps + 1)) ** 4)
                drop = (12 - floor) if collapses else 0.1
                clean = 12 - drop * (1 - down) + 4 * up * collapses
                add("rankme", task, level, layer, clean * np.exp(rng.normal(0, noise, len(STEPS))))
    table = pa.table(
        {
            "step": pa.array(columns["step"], pa.int64()),
            "task": pa.array(columns["task"], pa.string()),
            "level": pa.array(columns["level"], pa.int16()),
            "layer": pa.array(columns["layer"], pa.int16()),
            "measure": pa.array(columns["measure"], pa.string()),
            "value": pa.array(columns["value"], pa.float64()),
        }
    )
    return table.append_column("stderr", pa.nulls(table.num_rows, pa.float64()))


def add_run(
    store,
    seed,
    *,
    suite="sim",
    scale="d32",
    n_params=50_000,
    created=None,
    name=None,
    further=None,
    config=None,
    **options,
):
    rng = np.random.default_rng([seed, n_params])
    n_layers = options.get("n_layers", 4)
    return write_run(
        store,
        simulated_table(rng, **options),
        run_id=name or f"{suite}-{scale}-s{seed}",
        suite=suite,
        scale=scale,
        n_params=n_params,
        n_layers=n_layers,
        seed=seed,
        config={"simulated": True, **(config or {})},
        software={},
        device="none",
        created=created,
        further=further,
    )


def fill(root, seeds, **options):
    """Runs of two tasks in the project's store."""
    for seed in seeds:
        add_run(root / "data", seed, tasks=("add", "mod"), **options)


# --- source -----------------------------------------------------------------------------------

HYPOTHESIS = '''
"""Final accuracy is high."""
from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region


def final_accuracy(run, last=1):
    """Mean accuracy at the end."""
    return run.traces("accuracy").values[:, -last:].mean()


learns = Hypothesis(
    claim=Claim("Models learn the tasks."),
    needs=Needs(measures=["accuracy"]),
    predictions=[Prediction("final accuracy", final_accuracy, Region.at_least(0.5))],
)
'''


def edited(text, old, new):
    """`text` with `old` replaced. A test that edits what is not there would pass whatever the code does."""
    assert old in text, f"{old!r} is not in the text that the test edits"
    return text.replace(old, new)


def edit(path, old, new):
    """The same in a file."""
    path.write_text(edited(path.read_text(), old, new))


# --- the command line -------------------------------------------------------------------------


def es(*arguments, cwd=None, **environment):
    """What ``emergence-stats ARGUMENTS`` in `cwd` prints and ends with, in this process."""
    out, err = StringIO(), StringIO()
    words = ["emergence-stats", *map(str, arguments)]
    with (
        chdir(cwd or Path.cwd()),
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", words),
        patch.dict(os.environ, {"NO_COLOR": "1", **environment}),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


def es_process(*arguments, cwd=None, **environment):
    """The same in a process of its own, where that is the point."""
    return subprocess.run(
        [sys.executable, "-m", "emergence_stats", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )


def result_of(done):
    """The one result in the JSON that a command printed."""
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    return document["results"][0]


def failed(done, *words):
    """That a command ended with one clear line, which has these words."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def imported(cwd, *arguments):
    """Runs of the suite `s` by name, read from the store after an import that has to work."""
    done = es("traces", "import", *arguments, "--suite", "s", "--traces", "store", cwd=cwd)
    assert done.returncode == 0, done.stderr
    store = Store.open(cwd / "store")
    return {f.manifest.run_id: Run(f.manifest, store.read(f)) for f in store.runs}


def refused(cwd, *arguments):
    """The message of an import that is refused, with nothing written."""
    done = es("traces", "import", *arguments, "--traces", "store", cwd=cwd)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    assert not list(cwd.glob("store/*/*"))
    return done.stderr
