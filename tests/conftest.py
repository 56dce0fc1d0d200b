"""Simulated stores with planted truths. Nothing here is measured, and nothing of it is shipped."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from emergence_stats.traces.write import write_run

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
        config={"simulated": True},
        software={},
        device="none",
        created=created,
        further=further,
    )


@pytest.fixture
def store(tmp_path):
    """A store of one small run."""
    path = tmp_path / "store"
    add_run(path, 0, tasks=("add", "mod"))
    return path


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


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Somebody else's project, with one hypothesis and an empty data folder; the current folder."""
    root = tmp_path / "project"
    (root / "hypotheses").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.emergence_stats]\n")
    (root / "hypotheses" / "learns.py").write_text(HYPOTHESIS)
    (root / "data").mkdir()
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def varied_project(project):
    """The same with three analyses, and five runs."""
    module = project / "hypotheses" / "learns.py"
    module.write_text(
        module.read_text().replace(
            "    predictions=", '    multiverse={"last": [1, 2, 5]},\n    predictions='
        )
    )
    for seed in range(5):
        add_run(project / "data", seed)
    return project
