"""Which dimension of a hidden state is which: known from the batch, the module or the user, and not guessed."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from emergence_stats.recorder import Recorder, RecorderWarning
from emergence_training.measures.rankme import rankme

TOKENS = torch.randn(
    20, 5, 8, generator=torch.Generator().manual_seed(1)
)  # samples, positions, width
IMAGES = torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(2))


class Gives(nn.Module):
    """One linear layer and a module that returns what `change` makes of its output."""

    def __init__(self, change):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(8, 8)
        self.block = Block(change)

    def forward(self, x, attention_mask=None):
        self.block(self.linear(x))
        return x


class Block(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        return self.change(x)


@dataclass
class Output:
    """As the outputs of a library that has its own."""

    last_hidden_state: torch.Tensor
    cache: int = 0


def ranks(model, batch=TOKENS, layers="block", **options):
    mine = Recorder(model, {"copy": batch}, layers=layers, **options)
    mine.record(0)
    assert mine.missing == []
    return mine.table().column("value").to_pylist()


def refused(model, batch=TOKENS, layers="block", **options):
    """Why a state has no rank."""
    mine = Recorder(model, {"copy": batch}, layers=layers, **options)
    with pytest.warns(RecorderWarning, match="rankme is missing"):
        mine.record(0)
    assert mine.table().num_rows == 0
    return mine.missing[0]["detail"]


def plain():
    return ranks(Gives(lambda h: h))


@pytest.mark.parametrize(
    "change",
    [
        lambda h: (h, None),
        lambda h: [h],
        lambda h: ((h, h), h),
        lambda h: {"last_hidden_state": h, "attentions": h[0]},
        lambda h: {"hidden_states": h, "n": 3},
        lambda h: {"only": h},
        lambda h: Output(h),
        lambda h: h.double(),
    ],
)
def test_a_state_is_found_in_what_a_module_returns(change):
    assert ranks(Gives(change)) == plain()


def test_a_state_is_found_in_the_output_of_transformers():
    outputs = pytest.importorskip("transformers.modeling_outputs")
    assert ranks(Gives(lambda h: outputs.BaseModelOutput(last_hidden_state=h))) == plain()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_states_of_half_precision_are_measured_as_such(kind):
    assert ranks(Gives(lambda h: h.to(kind))) == pytest.approx(plain(), rel=0.01)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda h: None, "returned NoneType"),
        (lambda h: (), "returned tuple"),
        (lambda h: "text", "returned str"),
        (lambda h: {"a": h, "b": h}, "which is its state is not known"),
        (lambda h: h[:, 0, 0], r"shape \(20,\)"),
        (lambda h: h + 0j, "complex"),
        (lambda h: h.to_sparse(), "sparse"),
        (lambda h: h[:7], r"shape \(7, 5, 8\), and the batch 20 samples"),
        (lambda h: h.flatten(0, 1), r"shape \(100, 8\), and the batch 20 samples"),
        (lambda h: h[:, :, None].expand(-1, -1, 3, -1), "channel_dim"),
    ],
)
def test_what_cannot_be_read_as_a_state_has_no_rank_and_says_what_a_state_is(change, why):
    import re

    detail = refused(Gives(change))
    assert re.search(why, detail), detail


# --- sequence first ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    [
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False),
        nn.ModuleDict({"layers": nn.LSTM(8, 8)}),
        nn.ModuleDict({"layers": nn.GRU(8, 8)}),
        nn.ModuleDict({"layers": nn.MultiheadAttention(8, 2)}),
    ],
)
def test_a_model_with_samples_second_has_to_be_told_from_one_with_samples_first(module):
    name = "layers.*" if isinstance(module, nn.TransformerEncoder) else "layers"
    with pytest.raises(ValueError, match="sample_dim=1"):
        Recorder(module, {"copy": TOKENS}, layers=name)
    for dim in (0, 1):
        Recorder(module, {"copy": TOKENS}, layers=name, sample_dim=dim)
    Recorder(module, {"copy": TOKENS})  # without layers there is nothing to tell


def test_samples_second_give_the_rank_of_samples_first():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0)
    second = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
    first = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 1, enable_nested_tensor=False
    )
    first.load_state_dict(second.state_dict())
    expected = ranks(first, layers="layers.*")
    found = ranks(second, TOKENS.transpose(0, 1), layers="layers.*", sample_dim=1)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_state_with_the_batchs_samples_second_is_read_so_with_a_word():
    mine = Recorder(Gives(lambda h: h.transpose(0, 1)), {"copy": TOKENS}, layers="block")
    with pytest.warns(RecorderWarning, match=r"second dimension.*sample_dim=1"):
        mine.record(0)
    assert mine.table().column("value").to_pylist() == pytest.approx(plain())
    assert ranks(Gives(lambda h: h.transpose(0, 1)), sample_dim=1) == pytest.approx(plain())


def test_samples_that_no_tensor_of_the_batch_has_are_refused():
    assert "no tensor of the batch" in refused(Gives(lambda h: h[:7]), sample_dim=0)


# --- channels first ---------------------------------------------------------------------------


def test_rank_of_a_convolution_is_that_of_its_channels():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    with torch.no_grad():
        expected = rankme(model[0](IMAGES).double().mean((2, 3))).item()
    assert ranks(model, IMAGES, "0") == pytest.approx([expected])


def test_rank_of_a_block_with_a_convolution_is_that_of_its_channels():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()))
    with torch.no_grad():
        expected = rankme(model(IMAGES).double().mean((2, 3))).item()
    assert ranks(model, IMAGES, "0") == pytest.approx([expected])


def test_an_image_without_a_convolution_has_to_be_told():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    assert "channel_dim=1" in refused(model, IMAGES, "1")
    with torch.no_grad():
        states = model(IMAGES).double()
    first, last = rankme(states.mean((2, 3))).item(), rankme(states.mean((1, 2))).item()
    assert ranks(model, IMAGES, "1", channel_dim=1) == pytest.approx([first])
    assert ranks(model, IMAGES, "1", channel_dim=-1) == pytest.approx([last])


def test_a_patch_embedding_with_channels_last_is_not_taken_for_channels_first():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.project = nn.Conv2d(3, 7, 2, 2)

        def forward(self, x):
            return self.project(x).permute(0, 2, 3, 1)

    model = nn.Sequential(Patches())
    assert "channel_dim=-1" in refused(model, IMAGES, "0")
    assert len(ranks(model, IMAGES, "0", channel_dim=-1)) == 1


def test_convolutions_over_positions_have_to_be_told():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(5, 6, 1), nn.ReLU())
    with pytest.raises(ValueError, match="channel_dim=1"):
        Recorder(model, {"copy": TOKENS}, layers="1")
    with torch.no_grad():
        expected = rankme(model(TOKENS).double().mean(2)).item()
    assert ranks(model, TOKENS, "1", channel_dim=1) == pytest.approx([expected])
    with torch.no_grad():
        expected = rankme(model[0](TOKENS).double().mean(2)).item()
    assert ranks(model, TOKENS, "0") == pytest.approx([expected])  # the convolution itself


def test_a_convolution_beside_states_with_samples_second_has_them_first():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.project = nn.Conv2d(3, 8, 2, 2)
            self.block = Block(lambda h: h)

        def forward(self, x):
            return self.block(self.project(x).flatten(2).permute(2, 0, 1))

    found = ranks(Patches(), IMAGES, "block", embedding="project", sample_dim=1)
    assert found[0] == pytest.approx(found[1])


# --- masks and calls --------------------------------------------------------------------------


def test_a_mask_that_does_not_fit_leaves_no_rank():
    batch = {"x": TOKENS, "attention_mask": torch.ones(20, 4)}
    assert "attention_mask (20, 4)" in refused(Gives(lambda h: h), batch)


def test_a_state_at_padding_may_be_anything():
    mask = torch.ones(20, 5)
    mask[:, 4] = 0
    batch = {"x": TOKENS, "attention_mask": mask}
    spoilt = Gives(lambda h: h.masked_fill(mask[..., None] == 0, float("nan")))
    assert ranks(spoilt, batch) == ranks(Gives(lambda h: h), batch)


def test_shared_layers_are_measured_one_by_one():
    torch.manual_seed(0)
    shared = nn.Linear(8, 8)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    with torch.no_grad():
        expected = [rankme(h.double().mean(1)).item() for h in (shared(TOKENS), model(TOKENS))]
    assert ranks(model, layers=["0", "2"]) == pytest.approx(expected)
    mine = Recorder(model, {"copy": TOKENS}, layers="0")
    with pytest.warns(RecorderWarning, match="called 2 times"):
        mine.record(0)
    assert mine.table().column("value").to_pylist() == pytest.approx(expected[1:])
