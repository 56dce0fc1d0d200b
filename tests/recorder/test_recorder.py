"""Recording in a loop of one's own: what is measured is right, and training does not notice."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from emergence_stats import Run, Store
from emergence_stats.recorder import Recorder, log_steps
from emergence_training.measures.rankme import rankme


class Model(nn.Module):
    """Embedding, two blocks with dropout, of which the second gives a tuple, a norm and a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(11, 8)
        self.blocks = nn.ModuleList([Block(), Block(as_tuple=True)])
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 11)

    def hidden(self, tokens):
        states = [self.embed(tokens)]
        for block in self.blocks:
            out = block(states[-1])
            states.append(out[0] if isinstance(out, tuple) else out)
        return [*states, self.norm(states[-1])]

    def forward(self, tokens, attention_mask=None):
        return self.head(self.hidden(tokens)[-1])


class Block(nn.Module):
    def __init__(self, as_tuple=False):
        super().__init__()
        self.as_tuple = as_tuple
        self.attend = nn.Linear(8, 8)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = x + self.drop(torch.tanh(self.attend(x)))
        return (x, None) if self.as_tuple else x


def tokens(seed=0, samples=20):
    return torch.randint(11, (samples, 5), generator=torch.Generator().manual_seed(seed))


def accuracy(output, batch):
    batch = batch["tokens"] if isinstance(batch, dict) else batch
    return {"accuracy": (output[:, :-1].argmax(-1) == batch[:, 1:]).double().mean()}


def recorder(model, **options):
    batches = {"copy": tokens(1), ("add", 2): tokens(2)}
    everything = {"layers": "blocks.*", "embedding": "embed", "final": "norm", "metrics": accuracy}
    return Recorder(model, batches, **{**everything, **options})


def trained(steps, watch):
    """Weights after some steps with dropout, recorded or not."""
    model = Model()
    torch.manual_seed(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps):
        if watch is not None:
            watch(model, step)
        batch = tokens(100 + step)
        loss = nn.functional.cross_entropy(
            model(batch)[:, :-1].flatten(0, 1), batch[:, 1:].flatten()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.state_dict()


def test_training_is_the_same_to_the_bit_when_recorded():
    seen = {}

    def watch(model, step):
        seen.setdefault("recorder", recorder(model)).record(step)
        assert model.training
        assert not any(module._forward_hooks for module in model.modules())

    plain, watched = trained(5, None), trained(5, watch)
    assert all(torch.equal(plain[name], watched[name]) for name in plain)


def test_ranks_and_metrics_are_those_of_the_hidden_states(tmp_path):
    model = Model()
    mine = recorder(model)
    mine.record(0, train_loss=2.5)
    mine.record(7)
    mine.save(tmp_path / "data", suite="mine", scale="tiny", seed=3, config={"lr": 0.1})
    (file,) = Store.open(tmp_path / "data").runs
    run = Run(file.manifest, Store.open(tmp_path / "data").read(file))
    assert (run.run_id, run.n_layers, run.seed) == ("mine-tiny-s3", 2, 3)
    assert run.n_params == sum(p.numel() for p in model.parameters())
    assert run.manifest.device.startswith("cpu")
    model.eval()
    with torch.no_grad():
        expected = [rankme(h.double().mean(1)).item() for h in model.hidden(tokens(2))]
        right = accuracy(model(tokens(2)), tokens(2))["accuracy"].item()
    traces = run.traces("rankme", layers="all", tasks=True)
    add = traces.select(traces.task == "add")
    assert add.layer.tolist() == [0, 1, 2, 3]
    assert add.level.tolist() == [2] * 4
    assert add.values[:, 0].tolist() == pytest.approx(expected, rel=1e-9)
    assert add.steps[0].tolist() == [0, 7]
    measured = run.traces("accuracy", tasks=True)
    assert measured.values[measured.task == "add"][0, 0] == pytest.approx(right)
    assert run.traces("train_loss", tasks=False).values.tolist() == [[2.5]]


def test_padding_is_left_out_by_the_attention_mask():
    model = Model().eval()
    batch = tokens(4)
    mask = torch.ones_like(batch)
    mask[:, 3:] = 0
    padded = {"tokens": batch, "attention_mask": mask}
    mine = Recorder(model, {"copy": padded}, layers="blocks.*")
    mine.record(0)
    with torch.no_grad():
        expected = rankme(model.hidden(batch)[1][:, :3].double().mean(1)).item()
    rows = mine.table().to_pylist()
    assert rows[0]["value"] == pytest.approx(expected, rel=1e-9)


def test_a_model_that_is_not_called_goes_through_forward():
    model = Model()
    by_call, by_hidden = recorder(model), recorder(model, forward=model.hidden, metrics=None)
    for mine in (by_call, by_hidden):
        mine.record(0)
    ranks = [
        [row["value"] for row in mine.table().to_pylist() if row["measure"] == "rankme"]
        for mine in (by_call, by_hidden)
    ]
    assert ranks[0] == ranks[1]
    assert len(ranks[0]) == 8


def test_only_steps_that_are_due_are_measured():
    mine = recorder(Model(), steps=(0, 4))
    assert [mine.record(step) for step in range(6)] == [True, False, False, False, True, False]
    assert set(mine.table().column("step").to_pylist()) == {0, 4}


def test_it_goes_on_from_a_checkpoint_and_forgets_what_came_after():
    model = Model()
    first = recorder(model)
    for step in (0, 1, 2):
        first.record(step)
    again = recorder(model)
    again.load_state_dict(first.state_dict(), last_step=1)
    again.record(2)
    again.record(2)  # twice is once
    assert again.table().sort_by("value").equals(first.table().sort_by("value"))


@pytest.mark.parametrize("name", ["block.*", "blocks.*.nothing", "blocks"])
def test_a_layer_that_is_not_there_is_an_error_with_the_names_that_are(name):
    with pytest.raises(ValueError, match="blocks"):
        Recorder(Model(), {}, layers=name)


@given(st.integers(1, 10_000), st.floats(1.01, 3))
def test_log_steps_begin_at_nought_rise_and_end_at_the_last(last, ratio):
    steps = log_steps(last, ratio)
    assert steps[0] == 0
    assert steps[-1] == last
    assert list(steps) == sorted(set(steps))
    assert len(steps) <= last + 1


def test_samples_are_brought_to_where_the_model_is():
    places = []

    def metrics(output, batch):
        places.append((output.device.type, batch["input"].device.type))
        return {"n": len(batch["input"])}

    model = nn.Linear(3, 2, device="meta")  # computes shapes, and nothing on another device
    mine = Recorder(model, {"copy": {"input": torch.zeros(5, 3)}}, metrics=metrics)
    mine.record(0)
    assert places == [("meta", "meta")]
