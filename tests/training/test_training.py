"""The training backend: tasks, RankMe, and runs that resume to the last bit."""

import dataclasses
import errno
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emergence_stats.traces.store import Store  # noqa: E402
from emergence_training import run as training_run  # noqa: E402
from emergence_training import tasks  # noqa: E402
from emergence_training.checkpoints.forward import Evaluation, measure  # noqa: E402
from emergence_training.checkpoints.samples import Batch  # noqa: E402
from emergence_training.engines.partial import RunInProgress  # noqa: E402
from emergence_training.engines.task import Task  # noqa: E402
from emergence_training.loop import Data, equal_steps, initial_seed  # noqa: E402
from emergence_training.measures.rankme import rankme  # noqa: E402
from emergence_training.measures.sampler import Sampler  # noqa: E402
from emergence_training.model import Decoder, ModelConfig, answer_loss  # noqa: E402
from emergence_training.model.packed import Packed, packed_answer_loss  # noqa: E402
from emergence_training.suites import SUITES, DeepMeasures, LogSpaced, Scale, named  # noqa: E402
from emergence_training.suites.schedules import learning_rate  # noqa: E402


def split(task, level, n=500):
    tokens, shape = tasks.problems(np.random.default_rng(7), task, level, n)
    return tokens[:, 1 : shape.prompt - 1], tokens[:, shape.prompt :]


def number(digits):
    return (digits * 10 ** np.arange(digits.shape[1])).sum(1)


@pytest.mark.parametrize("level", tasks.LEVELS)
def test_sequence_tasks(level):
    x, y = split("copy", level)
    assert (x == y).all()
    x, y = split("reverse", level)
    assert (x[:, ::-1] == y).all()
    x, y = split("sort", level)
    assert (np.sort(x, axis=1) == y).all()
    x, y = split("parity", level)
    assert (x.sum(1) % 2 == y[:, 0]).all()


@pytest.mark.parametrize("level", tasks.LEVELS)
def test_arithmetic_tasks(level):
    for task in ("add", "mul", "mod", "compare"):
        x, y = split(task, level)
        comma = int(np.argmax(x[0] == tasks.COMMA))
        a, rest = number(x[:, :comma]), x[:, comma + 1 :]
        if task == "mod":
            b, modulus = number(rest[:, :2]), number(rest[:, 3:])
            assert ((a + b) % modulus == number(y)).all()
        elif task == "compare":
            b = number(rest)
            assert (np.where(a < b, tasks.LESS, tasks.GREATER) == y[:, 0]).all()
            assert (a != b).all()
        else:
            b = number(rest)
            assert ((a + b if task == "add" else a * b) == number(y)).all()


def test_chance_levels_of_the_hypotheses_are_those_of_the_tasks():
    from emergence_stats.claims.project import Project

    loaded = Project().load("precursor_rates")
    chance = loaded.module.emergences.__globals__["CHANCE"]
    for task, level in tasks.TASK_LEVELS:
        _, answers = split(task, level, 20_000)
        _, counts = np.unique(answers, axis=0, return_counts=True)
        assert chance.get((task, level), 0.0) == pytest.approx(counts.max() / 20_000, abs=0.012)


def test_a_mixture_scores_answers_only():
    inputs, targets = tasks.mixture(np.random.default_rng(0), 200)
    assert inputs.shape == targets.shape == (200, tasks.CONTEXT)
    for row, target in zip(inputs, targets, strict=True):
        where = np.flatnonzero(target != tasks.IGNORE)
        assert row[where[0]] == tasks.EQUALS
        assert (row[where[1:]] == target[where[:-1]]).all()


def test_shuffled_answers_keep_problems_and_answers_but_not_what_joins_them():
    n = 5_000
    for task, level in [("add", 0), ("copy", 1), ("parity", 2)]:
        true = tasks.inputs_and_targets(np.random.default_rng(3), task, level, n)
        shuffled = tasks.inputs_and_targets(np.random.default_rng(3), task, level, n, shuffled=True)
        prompt = tasks.SHAPES[task, level].prompt
        assert (true[0][:, :prompt] == shuffled[0][:, :prompt]).all()
        of_true, of_shuffled = (targets[:, prompt - 1 :] for _, targets in (true, shuffled))
        _, counts = np.unique(of_true, axis=0, return_counts=True)
        chance = ((counts / n) ** 2).sum()
        same = (of_true == of_shuffled).all(1).mean()
        assert same == pytest.approx(chance, abs=4 * (chance / n) ** 0.5 + 0.005)
        # teacher forcing shows the answer that is scored, not the true one
        assert (shuffled[0][:, prompt:] == of_shuffled[:, :-1]).all()
        for column in range(of_true.shape[1]):
            expected = np.bincount(of_true[:, column], minlength=22) / n
            found = np.bincount(of_shuffled[:, column], minlength=22) / n
            assert found == pytest.approx(expected, abs=0.03)


def test_a_suite_has_the_config_of_its_shipped_runs():
    """A new field would make every shipped run another run, and a pilot an unseen one."""
    for run in Store.open("data").runs:
        suite = named()[run.manifest.suite]
        scale = next(s for s in suite.scales if s.name == run.manifest.scale)
        config = json.loads(json.dumps(suite.config(scale, run.manifest.seed)))
        shipped = {k: v for k, v in run.manifest.config.items() if k != "threads"}
        if suite.name not in SUITES:  # of language models, which add the digests of their data
            shipped = {key: shipped.get(key) for key in config}
        assert config == shipped


def test_evaluation_samples_do_not_depend_on_the_seed():
    a = Evaluation.fixed(SUITES["smoke"], torch.device("cpu"))
    b = Evaluation.fixed(SUITES["pocket"], torch.device("cpu"))
    assert all(torch.equal(a.problems[key].tokens, b.problems[key].tokens) for key in a.problems)


def test_rankme_of_known_matrices():
    identity = torch.eye(200, 8)
    assert rankme(identity) == pytest.approx(8.0)
    rank_one = torch.outer(torch.randn(200), torch.randn(8))
    assert rankme(rank_one) == pytest.approx(1.0, abs=1e-4)
    singular = torch.tensor([3.0, 1.0])
    p = singular / singular.sum()
    assert rankme(torch.diag(singular)) == pytest.approx(float((-(p * p.log()).sum()).exp()))


def test_rankme_is_that_of_singular_values_and_does_not_see_order_scale_or_rotation():
    z = torch.randn(200, 16, dtype=torch.float64) @ torch.diag(torch.logspace(0, -6, 16).double())
    s = torch.linalg.svdvals(z)
    p = s / s.sum()
    expected = float(torch.exp(-(p * p.log()).sum()))
    rotation = torch.linalg.qr(torch.randn(16, 16, dtype=torch.float64))[0]
    for same in (z, z[torch.randperm(200)], 1000 * z, z @ rotation):
        assert float(rankme(same)) == pytest.approx(expected, rel=1e-6)


def test_the_model_is_causal():
    model = Decoder(ModelConfig(16, 2, 2, tasks.VOCABULARY, tasks.CONTEXT))
    model.initialise(torch.Generator().manual_seed(0))
    inputs = torch.randint(0, 10, (3, tasks.CONTEXT))
    changed = inputs.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 10
    a, b = (model.hidden_states(x)[-1][:, :6] for x in (inputs, changed))
    assert torch.allclose(a, b, atol=1e-6)


def test_an_untrained_model_is_at_chance():
    model = Decoder(ModelConfig(16, 2, 2, tasks.VOCABULARY, tasks.CONTEXT))
    model.initialise(torch.Generator().manual_seed(0))
    inputs, targets = (torch.from_numpy(x) for x in tasks.mixture(np.random.default_rng(0), 256))
    assert float(answer_loss(model, inputs, targets).detach()) == pytest.approx(
        np.log(tasks.VOCABULARY), abs=0.1
    )


TINY = dataclasses.replace(
    SUITES["smoke"], steps=24, batch=8, dense_steps=4, checkpoints=10, evaluation_samples=20
)


def gradients(loss, model):
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_without_padding_is_the_loss(layers, seed):
    model = Decoder(ModelConfig(16, layers, 2, tasks.VOCABULARY, tasks.CONTEXT)).double()
    model.initialise(torch.Generator().manual_seed(seed))
    batch = [torch.from_numpy(x) for x in tasks.mixture(np.random.default_rng(seed), 7)]
    padded, packed = (f(model, *batch) for f in (answer_loss, packed_answer_loss))
    assert packed.item() == pytest.approx(padded.item(), rel=1e-12)
    for a, b in zip(gradients(padded, model), gradients(packed, model), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-13)


def test_nothing_behind_the_last_answer_is_computed():
    inputs, targets = (torch.from_numpy(x) for x in tasks.mixture(np.random.default_rng(0), 50))
    some = Packed.of(inputs, targets)
    rows, columns = some.where // inputs.shape[1], some.where % inputs.shape[1]
    last = torch.tensor([int(row.nonzero().max()) for row in targets >= 0])
    assert (torch.bincount(rows) == last + 1).all()
    assert (columns <= last[rows]).all()
    assert torch.equal(some.tokens, inputs[rows, columns])
    assert torch.equal(some.targets, targets[targets >= 0])


class Killed(Exception):
    pass


def train_until_killed(store, suite, scale, monkeypatch):
    """Train seed 3 to the middle, with its state saved at each checkpoint."""
    monkeypatch.setattr(training_run, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(training_run, "SAVING_PAYS", 0.0)

    def die(step, steps, loss):
        if step >= 12:
            raise Killed

    with pytest.raises(Killed):
        training_run.train_run(store, suite, scale, 3, progress=die)


def test_a_run_that_was_killed_gives_the_same_bytes(tmp_path, monkeypatch):
    scale = Scale(8, 2, heads=2)
    whole = training_run.train_run(tmp_path / "whole", TINY, scale, 3)
    train_until_killed(tmp_path / "killed", TINY, scale, monkeypatch)
    seen = []
    resumed = training_run.train_run(
        tmp_path / "killed", TINY, scale, 3, progress=lambda step, *_: seen.append(step)
    )
    assert min(seen) > 0  # it went on, and did not begin again
    assert resumed.sha256 == whole.sha256
    assert not list((tmp_path / "killed").rglob("*.partial"))


DEEP = dataclasses.replace(
    TINY,
    deep=DeepMeasures(
        every=3,
        llc={"d8L2": Sampler(1e-4, 100.0, 100.0, 2, burn_in=1, draws=4, batch=8, thinning=1)},
        samples=48,
        part_samples=24,
        rank_samples=16,
        hessian_samples=8,
        trace_probes=2,
    ),
)


def test_deep_measures_are_part_of_a_run_and_of_its_continuation(tmp_path, monkeypatch):
    scale = Scale(8, 2, heads=2)
    whole = training_run.train_run(tmp_path / "whole", DEEP, scale, 3)
    table = Store.open(tmp_path / "whole").read(Store.open(tmp_path / "whole").runs[0]).to_pandas()
    steps = set(DEEP.deep_schedule())
    assert {0, DEEP.steps} <= steps < set(DEEP.schedule())
    for name in ("gradient_rank", "fisher_rank", "hessian_top", "hessian_trace", "llc_chain0"):
        rows = table[table["measure"] == name]
        assert set(rows["step"]) == steps
        assert len(rows) == 25 * len(steps)  # every task-level and the mixture
        assert rows["stderr"].notna().all() == (name == "hessian_trace")
    escaped = table[table["measure"] == "llc_escaped"]["value"]
    assert len(table[table["measure"] == "llc"]) == (escaped == 0).sum()
    assert whole.config["deep"]["llc"]["localisation"] == 100.0
    assert set(whole.further["seconds_by_measure"]) >= {"llc", "hessian_top"}

    train_until_killed(tmp_path / "killed", DEEP, scale, monkeypatch)
    resumed = training_run.train_run(tmp_path / "killed", DEEP, scale, 3)
    assert resumed.sha256 == whole.sha256


LOG_SPACED = dataclasses.replace(
    DEEP, name="log", own_streams=True, centred=True, log_spaced=LogSpaced(2, 3)
)


@pytest.fixture(scope="module")
def log_spaced(tmp_path_factory):
    """A store of one run with every measure, and its manifest."""
    store = tmp_path_factory.mktemp("log")
    return store, training_run.train_run(store, LOG_SPACED, Scale(8, 2, heads=2), 3)


def test_measures_of_log_spaced_checkpoints_are_part_of_a_run_and_of_its_continuation(
    log_spaced, tmp_path, monkeypatch
):
    store, whole = log_spaced
    table = Store.open(store).read(Store.open(store).runs[0]).to_pandas()
    steps = set(LOG_SPACED.log_schedule())

    def of(name):
        return table[table["measure"] == name]

    assert set(of("sharpness")["step"]) == steps
    assert set(of("adam_sharpness")["step"]) == steps - {0}  # Adam has seen no gradient yet
    assert of("sharpness")["layer"].isna().all()
    assert sorted(set(of("stable_rank")["layer"])) == [0, 1, 2]
    assert of("stable_rank")["task"].isna().all()
    assert set(of("stable_rank_change")["step"]) == steps - {0}  # nothing has changed yet
    for name in ("cka_end", "svcca_end"):
        assert sorted(set(of(name)["layer"])) == [0, 1, 2, 3]
        end = of(name)[of(name)["step"] == LOG_SPACED.steps]["value"]
        assert end.to_numpy() == pytest.approx(1.0)
    for name in ("rankme", "rankme_unit"):
        assert len(of(f"{name}_centred")) == len(of(name))
    # where the answer begins every problem of a task-level has the same token: nothing differs in the embedding
    assert sorted(set(of("rankme_answer_centred")["layer"])) == [1, 2, 3]
    assert set(whole.further["seconds_by_measure"]) >= {"sharpness", "similarity", "llc"}

    scale = Scale(8, 2, heads=2)
    train_until_killed(tmp_path, LOG_SPACED, scale, monkeypatch)
    resumed = training_run.train_run(tmp_path, LOG_SPACED, scale, 3)
    assert resumed.sha256 == whole.sha256


def test_sharpness_can_be_left_out(tmp_path):
    suite = dataclasses.replace(LOG_SPACED, deep=None, log_spaced=LogSpaced(0, 3))
    training_run.train_run(tmp_path, suite, Scale(8, 2, heads=2), 3)
    table = Store.open(tmp_path).read(Store.open(tmp_path).runs[0]).to_pandas()
    measures = set(table["measure"])
    assert {"cka_end", "svcca_end", "stable_rank"} <= measures
    assert not [name for name in measures if "sharpness" in name]


def test_one_rate_is_that_of_all_scales():
    suite = dataclasses.replace(TINY, one_rate=0.01)
    small, large = Scale(8, 2, heads=2), Scale(16, 4, heads=2)
    for step in (0, 10, 20):
        assert learning_rate(suite, small, step) == learning_rate(suite, large, step)
        assert learning_rate(TINY, small, step) == 2 * learning_rate(TINY, large, step)
    assert suite.config(small, 0)["learning_rate"] == suite.config(small, 0)["one_rate"] == 0.01
    assert "one_rate" not in TINY.config(small, 0)


def test_measures_of_few_checkpoints_do_not_touch_the_training(log_spaced, tmp_path):
    plain = dataclasses.replace(TINY, own_streams=True)
    training_run.train_run(tmp_path, plain, Scale(8, 2, heads=2), 3)
    stores = [Store.open(path) for path in (log_spaced[0], tmp_path)]
    measured, bare = (
        store.read(store.runs[0], ["accuracy", "rankme", "train_loss"]) for store in stores
    )
    assert measured.column("value").equals(bare.column("value"))


def test_data_and_weights_of_own_streams_are_those_of_no_other_scale_or_seed():
    own, shared = dataclasses.replace(TINY, own_streams=True), TINY

    def batch(suite, scale, seed):
        return Data(suite, scale, seed, torch.device("cpu")).batch(5)[0]

    small, large = Scale(8, 2, heads=2), Scale(16, 4, heads=2)
    assert torch.equal(batch(shared, small, 3), batch(shared, large, 3))
    assert not torch.equal(batch(own, small, 3), batch(own, large, 3))
    assert not torch.equal(batch(own, small, 3), batch(own, small, 4))
    seeds = {initial_seed(own, scale, seed) for scale in (small, large) for seed in range(5)}
    assert len(seeds) == 10
    assert initial_seed(shared, small, 3) == initial_seed(shared, large, 3) == 3


def test_a_suite_that_stops_early_is_the_beginning_of_the_whole_training(tmp_path):
    scale = Scale(8, 2, heads=2)
    training_run.train_run(tmp_path, TINY, scale, 3)
    training_run.train_run(tmp_path, dataclasses.replace(TINY, name="begin", until=12), scale, 3)
    store = Store.open(tmp_path)
    begin, whole = (
        store.read(run).to_pandas().drop(columns="run_id")
        for run in sorted(store.runs, key=lambda run: run.manifest.suite)
    )
    last = begin["step"].max()
    assert 4 < last <= 12
    expected = whole[whole["step"] <= last].reset_index(drop=True)
    assert begin.reset_index(drop=True).equals(expected)


def test_equal_steps_move_every_block_as_far_and_in_its_own_direction():
    model = Decoder(ModelConfig(8, 3, 2, tasks.VOCABULARY, tasks.CONTEXT))
    model.initialise(torch.Generator().manual_seed(0))
    before = [p.detach().clone() for p in model.parameters()]
    moves = [
        torch.randn(p.shape, generator=torch.Generator().manual_seed(i))
        for i, p in enumerate(before)
    ]
    far = {f"blocks.{i}": 10.0**i for i in range(3)}
    with equal_steps(model), torch.no_grad():
        for (name, p), move in zip(model.named_parameters(), moves, strict=True):
            p += 1e-2 * far.get(name[:8], 1.0) * move
    distances, parts = [], {name: p.detach() for name, p in model.named_parameters()}
    for i in range(3):
        change = [
            parts[n] - old
            for (n, _), old in zip(model.named_parameters(), before, strict=True)
            if n.startswith(f"blocks.{i}")
        ]
        distances.append(float(torch.stack([c.square().sum() for c in change]).sum().sqrt()))
    assert distances == pytest.approx([distances[0]] * 3, rel=1e-3)
    for (name, p), old, move in zip(model.named_parameters(), before, moves, strict=True):
        change = (p.detach() - old).flatten()
        along = torch.dot(change, move.flatten()) / change.norm() / move.norm()
        assert float(along) == pytest.approx(1.0, abs=1e-3)
        if not name.startswith("blocks"):
            assert change.numpy() == pytest.approx(1e-2 * move.flatten().numpy(), rel=1e-3)


def test_equal_problems_are_computed_once_and_counted_as_often_as_they_were_drawn():
    model = Decoder(ModelConfig(8, 2, 2, tasks.VOCABULARY, tasks.CONTEXT))
    model.initialise(torch.Generator().manual_seed(0))
    evaluation = Evaluation.fixed(TINY, torch.device("cpu"))
    assert len(evaluation.problems["parity", 0].tokens) == 8 < TINY.evaluation_samples
    found = {r.name: r.values for r in measure(model, evaluation) if r.values.ndim}
    for i, (task, level) in enumerate(tasks.TASK_LEVELS):
        rng = np.random.default_rng([TINY.evaluation_seed, i])
        tokens, shape = tasks.problems(rng, task, level, TINY.evaluation_samples)
        tokens = torch.from_numpy(tokens)
        with torch.no_grad():
            states = torch.stack(model.hidden_states(tokens[:, :-1])).double()
            guessed = model.logits(states[-1].float())[:, shape.prompt - 1 :].argmax(-1)
        right = guessed == tokens[:, shape.prompt :]
        assert found["accuracy"][i] == pytest.approx(right.all(1).double().mean())
        assert found["token_accuracy"][i] == pytest.approx(right.double().mean())
        expected = [float(rankme(z)) for z in states.mean(2)]
        assert found["rankme"][i] == pytest.approx(expected, rel=1e-4)


def test_chance_is_the_loss_of_an_answer_that_does_not_look():
    inputs, targets = tasks.inputs_and_targets(np.random.default_rng(0), "parity", 1, 400)
    batch = Batch(torch.from_numpy(inputs), torch.from_numpy(targets))
    assert batch.chance() == pytest.approx(np.log(2), abs=0.01)
    inputs, targets = tasks.inputs_and_targets(np.random.default_rng(0), "mod", 0, 400)
    batch = Batch(torch.from_numpy(inputs), torch.from_numpy(targets))
    assert batch.chance() == pytest.approx(np.log(5) / 2, abs=0.02)  # its second digit is 0


def test_every_suite_has_a_checkpoint_at_both_ends_and_enough_between():
    for suite in SUITES.values():
        steps = suite.schedule()
        assert steps[0] == 0
        assert steps[-1] == suite.last_step <= suite.steps
        assert (suite.until is None) == (suite.last_step == suite.steps)
        assert list(steps) == sorted(set(steps))
    assert len(SUITES["pocket"].schedule()) >= 80


def test_two_collections_of_one_run_exclude_one_another(tmp_path):
    from emergence_stats.errors import CollectError

    scale = Scale(8, 2, heads=2)
    with (
        RunInProgress(tmp_path, Task(str(tmp_path), TINY, scale, 0)),
        pytest.raises(CollectError, match="another process"),
    ):
        training_run.train_run(tmp_path, TINY, scale, 0)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fills_leaves_the_store_valid_and_the_run_to_be_continued(
    tmp_path, monkeypatch, step
):
    from emergence_stats.errors import CollectError
    from emergence_stats.traces import write as writing

    scale = Scale(8, 2, heads=2)
    training_run.train_run(tmp_path, TINY, scale, 0)

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing.os, step, full)
        with pytest.raises(CollectError, match="is full"):
            training_run.train_run(tmp_path, TINY, scale, 1)
    assert [run.manifest.seed for run in Store.open(tmp_path).runs] == [0]
    training_run.train_run(tmp_path, TINY, scale, 1)
    assert [run.manifest.seed for run in Store.open(tmp_path).runs] == [0, 1]
