"""Language models that are trained here: what a row holds, what is a target, and runs that resume to the last bit."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from emergence_stats.errors import TraceError  # noqa: E402
from emergence_stats.traces.store import Store  # noqa: E402
from emergence_training import run  # noqa: E402
from emergence_training.engines.task import Task  # noqa: E402
from emergence_training.language.items import Item  # noqa: E402
from emergence_training.language.trained import text, tokenizer  # noqa: E402
from emergence_training.language.trained.prepared import Prepared  # noqa: E402
from emergence_training.suites import TEXTS, Arm  # noqa: E402

SCALE = Arm(8, 2, heads=2)
TINY = dataclasses.replace(
    TEXTS["text"], name="tiny", scales=(SCALE,), steps=12, batch=4, length=16, dense_steps=3, checkpoints=7
)  # fmt: skip
ITEMS = {
    ("agreement", 0): [
        Item("The people", (" are", " is"), 0),
        Item("The nation", (" are", " is"), 1),
    ],
    ("copy", 1): [
        Item(f"one {word} three. one", (f" {word}", " three", " one"), 0)
        for word in ("two", "six", "ten")
    ],
}


@pytest.fixture
def data(monkeypatch):
    """Streams whose tokens tell where they are from: text is even, tasks are odd, with every third a target."""
    text_tokens = 2 * (np.arange(500, dtype=np.int16) % 400)
    tasks = 2 * (np.arange(300, dtype=np.int16) % 400) + 1
    made = Prepared(
        text_tokens,
        tasks,
        np.arange(300) % 3 == 0,
        text_tokens[None, :40],
        ITEMS,
        {"corpus": "made"},
    )
    monkeypatch.setattr(text, "prepared", lambda _folder, _sha256: made)
    return made


def batch(data, arm, step=5):
    suite = dataclasses.replace(TINY, batch=200)
    return text.Rows(suite, dataclasses.replace(SCALE, arm=arm), 0, data).batch(step)


@pytest.mark.parametrize(("arm", "share"), [("text", 0.0), ("mixed", 0.1), ("tasks", 1.0)])
def test_rows_are_of_text_or_of_tasks_in_the_share_of_the_arm(data, arm, share):
    inputs, targets = batch(data, arm)
    odd = inputs[:, 0] % 2 == 1
    assert ((inputs % 2 == 1) == odd[:, None]).all()
    assert odd.double().mean().item() == pytest.approx(share, abs=0.08)
    predicted = targets != text.IGNORE
    assert predicted[~odd].all()  # every token of text
    there = (targets[odd] - 1) // 2 % 3 == 0
    assert (predicted[odd] == (predicted[odd] & there)).all()
    assert predicted[odd].double().mean().item() == pytest.approx(1 / 3, abs=0.05) or share == 0
    assert (inputs[:, 1:][predicted[:, :-1]] == targets[:, :-1][predicted[:, :-1]]).all()


def test_a_batch_depends_on_the_run_and_the_step_alone(data):
    rows = text.Rows(TINY, SCALE, 0, data)
    later = [rows.batch(step)[0] for step in (3, 70, 3)]
    assert torch.equal(later[0], later[2])
    assert torch.equal(later[1], text.Rows(TINY, SCALE, 0, data).batch(70)[0])
    assert not torch.equal(later[0], text.Rows(TINY, SCALE, 1, data).batch(3)[0])
    assert not torch.equal(later[0], text.Rows(TINY, Arm(8, 3, heads=2), 0, data).batch(3)[0])


def test_the_arms_of_a_seed_begin_from_the_same_weights(data):
    def weights(arm, seed):
        scale = dataclasses.replace(SCALE, arm=arm)
        made = text.TextTraining(TINY, scale, seed, torch.device("cpu"), data)
        return torch.cat([p.flatten() for p in made.model.parameters()])

    assert torch.equal(weights("text", 0), weights("tasks", 0))
    assert not torch.equal(weights("text", 0), weights("text", 1))


def test_a_row_of_tasks_counts_as_one_of_text_does(data):
    training = text.TextTraining(TINY, SCALE, 0, torch.device("cpu"), data)
    inputs = torch.randint(0, 300, (2, 8))
    whole, few = inputs.clone(), torch.full((2, 8), text.IGNORE)
    few[1, 3] = 7
    both = torch.stack([whole[0], few[1]])
    with torch.no_grad():
        parts = [training.loss(inputs[i : i + 1], both[i : i + 1]) for i in (0, 1)]
        assert training.loss(inputs, both) == pytest.approx((sum(parts) / 2).item(), rel=1e-6)
        alone = torch.stack([whole[0], few[0]])  # a row without a target counts for nothing
        assert training.loss(inputs, alone).item() == pytest.approx(parts[0].item(), rel=1e-6)


def table(store):
    (found,) = Store.open(store).runs
    return Store.open(store).read(found), found.manifest


def test_a_run_that_was_killed_gives_the_same_traces(tmp_path, data, monkeypatch):
    monkeypatch.setattr(run, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(run, "SAVING_PAYS", 0.0)

    def die(step, _steps, _loss):
        if step >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        text.train(Task(str(tmp_path / "killed"), TINY, SCALE, 3), die)
    steps = []
    text.train(Task(str(tmp_path / "killed"), TINY, SCALE, 3), lambda step, *_: steps.append(step))
    assert steps[0] > 0
    text.train(Task(str(tmp_path / "whole"), TINY, SCALE, 3))
    (a, first), (b, _) = table(tmp_path / "killed"), table(tmp_path / "whole")
    assert a.equals(b)
    assert first.config["corpus"] == "made"
    assert first.config["learning_rate"] == 0.16 / 8
    assert (first.scale, first.config["tasks_share"]) == ("d8L2-text", 0.0)


def test_every_checkpoint_has_every_measure_of_every_probe(tmp_path, data):
    text.train(Task(str(tmp_path), TINY, SCALE, 0))
    frame = table(tmp_path)[0].to_pandas()
    assert sorted(frame.step.unique()) == list(TINY.schedule())
    of_layers = frame[frame.measure.str.startswith("rankme")]
    blocks = of_layers[
        of_layers.layer > 0
    ]  # before them, states of equal tokens are alike and have no centred rank
    assert blocks.groupby("measure").size().tolist() == [2 * 3 * len(TINY.schedule())] * 6
    assert sorted(of_layers.layer.unique()) == [0, 1, 2, 3]
    assert set(zip(of_layers.task, of_layers.level, strict=True)) == set(ITEMS)
    accuracy = frame[frame.measure == "accuracy"]
    assert accuracy.value.between(0, 1).all()
    assert {"loss", "choice_log_prob", "train_loss", "learning_rate", "weight_norm"} <= set(
        frame.measure
    )


def test_the_same_seed_makes_other_weights_at_another_scale_and_leaves_the_streams_of_others(data):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a = text.TextTraining(TINY, SCALE, 0, torch.device("cpu"), data)
    assert torch.equal(torch.rand(3), expected)
    b = text.TextTraining(TINY, SCALE, 1, torch.device("cpu"), data)
    weights = [next(t.model.gpt_neox.layers[0].attention.parameters()) for t in (a, b)]
    assert not torch.equal(*weights)


def test_another_corpus_is_another_suite(tmp_path):
    suite = TEXTS["text"].on(tmp_path / "novels", "a" * 64)
    assert suite.name == "text_on_novels"
    assert suite.run_id(SCALE, 0) == "text_on_novels-d8L2-text-s0"
    other = TEXTS["text"].on(tmp_path / "elsewhere" / "novels", "b" * 64)
    assert other.config(SCALE, 0) != suite.config(SCALE, 0)
    with pytest.raises(TraceError, match="'text_on_my novels'"):
        TEXTS["text"].on(tmp_path / "my novels", "a" * 64)


def test_the_shipped_tokenizer_reads_any_text_back():
    assert tokenizer.shipped().get_vocab_size() == tokenizer.SIZE == TEXTS["text"].vocabulary
    assert tokenizer.shipped().token_to_id(tokenizer.END) == 0
    for words in ("The Congress of the United States.", "naïve — 42 €\n\tx", ""):
        assert tokenizer.shipped().decode(tokenizer.encode(words)) == words
