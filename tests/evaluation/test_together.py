"""What a hypothesis finds does not depend on what is tested at the same time."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from emergence_stats import (
    Claim,
    Hypothesis,
    Needs,
    Prediction,
    Region,
    Store,
    mismatched_tasks,
    placebo,
    surrogate,
)
from emergence_stats.claims.project import Loaded, Source
from emergence_stats.evaluation.evaluate import evaluate
from tests.support import add_run


def mean_rank(run):
    """Of every layer that is there: the author says no layer."""
    return run.traces("rankme").values.mean()


def mean_log_prob(run):
    return run.traces("log_prob").values.mean()


def claim(name, estimate, measures, layers="all", controls=()):
    hypothesis = Hypothesis(
        claim=Claim(name),
        needs=Needs(measures=measures, layers=layers),
        predictions=[Prediction(name, estimate, Region.at_least(0.0))],
        controls=controls,
    )
    return Loaded(name, Source(name, Path(f"{name}.py")), hypothesis, np)


def keeping(module, number):
    """An estimate of another module, which keeps what it finds under a key that others use too."""
    names = {"__name__": module}
    exec(f"def estimate(run):\n    return run.cached('mine', lambda: {number})", names)
    return names["estimate"]


CLAIMS = (
    claim(
        "final",
        mean_rank,
        ["rankme"],
        "final",
        [surrogate("rankme"), mismatched_tasks("rankme"), placebo("rankme", by="accuracy")],
    ),
    claim("blocks", mean_rank, ["rankme", "accuracy"], "blocks", [surrogate("rankme")]),
    claim("everything", mean_rank, ["rankme", "log_prob"], "all", [surrogate("rankme")]),
    claim("behaviour", mean_log_prob, ["log_prob"], "final"),
    claim("keeps 1", keeping("one", 1.0), ["accuracy"]),
    claim("keeps 2", keeping("two", 2.0), ["accuracy"]),
    claim("undeclared", mean_log_prob, ["accuracy"]),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    store = tmp_path_factory.mktemp("together") / "store"
    for seed in range(4):
        add_run(store, seed, tasks=("add", "mod"))
    return Store.open(store)


@pytest.fixture(scope="module")
def alone(runs):
    return {loaded.name: evaluate([loaded], runs)[0].to_dict() for loaded in CLAIMS}


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(CLAIMS)), 2)))
def test_together_as_alone(runs, alone, order):
    for result in evaluate([CLAIMS[i] for i in order], runs):
        assert result.to_dict() == alone[result.name]


def test_all_together_as_alone(runs, alone):
    for result in evaluate(CLAIMS, runs):
        assert result.to_dict() == alone[result.name]


def test_layers_are_those_that_are_declared(alone):
    estimates = {alone[n]["predictions"][0]["estimate"] for n in ("final", "blocks", "everything")}
    assert len(estimates) == 3


def test_a_measure_that_is_not_declared_is_not_there(alone):
    assert alone["undeclared"]["verdict"] == "inconclusive"
    assert "reads 'log_prob'" in alone["undeclared"]["reason"]
