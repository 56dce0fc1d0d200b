"""The measures, against closed forms, slow references and other people's code."""

import copy
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.func import functional_call, grad, vmap  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402

from emergence_training import tasks  # noqa: E402
from emergence_training.measures import per_sample  # noqa: E402
from emergence_training.measures.fisher_rank import fisher_rank  # noqa: E402
from emergence_training.measures.gradient_rank import gradient_rank  # noqa: E402
from emergence_training.measures.hessian.preconditioned import (  # noqa: E402
    PreconditionedHessian,
    adam_scale,
)
from emergence_training.measures.hessian.products import HessianOfLoss  # noqa: E402
from emergence_training.measures.hessian.top import hessian_top  # noqa: E402
from emergence_training.measures.hessian.trace import hessian_trace  # noqa: E402
from emergence_training.measures.llc import Groups, llc  # noqa: E402
from emergence_training.measures.per_sample import ForwardPass, gram  # noqa: E402
from emergence_training.measures.rankme import effective_rank, rankme  # noqa: E402
from emergence_training.measures.sampler import Sampler  # noqa: E402
from emergence_training.measures.similarity.cka import cka  # noqa: E402
from emergence_training.measures.similarity.svcca import svcca  # noqa: E402
from emergence_training.measures.stable_rank import by_layer, stable_rank  # noqa: E402
from emergence_training.model import Decoder, ModelConfig, answer_loss  # noqa: E402

torch.set_num_threads(1)  # the tests run side by side


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model():
    """A tiny decoder after a few steps, so that its Hessian has structure."""
    decoder = Decoder(ModelConfig(4, 2, 2, tasks.VOCABULARY, tasks.CONTEXT))
    decoder.initialise(seeded(0))
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=0.02)
    for step in range(200):
        loss = answer_loss(decoder, *batch(64, step + 1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    optimiser.zero_grad()
    return decoder


def batch(n, seed=0):
    return tuple(torch.from_numpy(x) for x in tasks.mixture(np.random.default_rng(seed), n))


class Scores(nn.Module):
    """The decoder as a function from tokens to logits, for `functional_call`."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, inputs):
        return self.decoder.logits(self.decoder.hidden_states(inputs)[-1])


def reference_gradients(decoder, inputs, targets):
    """Gradients of single samples (n, parameters), one by one through torch.func."""
    scores = Scores(decoder)
    parameters = {name: p.detach() for name, p in scores.named_parameters()}

    def loss(parameters, x, y):
        logits = functional_call(scores, parameters, (x[None],))[0]
        return F.cross_entropy(logits, y, ignore_index=-1, reduction="sum")

    with sdpa_kernel(SDPBackend.MATH):
        found = vmap(grad(loss), (None, 0, 0))(parameters, inputs, targets)
    return torch.cat([found[name].flatten(1) for name in parameters], 1)


# --- effective ranks --------------------------------------------------------------------------


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=12), st.floats(0.01, 100))
def test_effective_rank_counts_equal_values_and_does_not_see_scale(values, factor):
    spectrum = torch.tensor(values, dtype=torch.float64)
    found = float(effective_rank(spectrum))
    assert 1 - 1e-9 <= found <= len(values) + 1e-9
    assert float(effective_rank(factor * spectrum)) == pytest.approx(found)
    assert float(effective_rank(torch.full((len(values),), factor))) == pytest.approx(
        len(values), rel=1e-5
    )


@given(st.integers(2, 12), st.integers(2, 40), st.integers(0, 1000))
def test_rankme_does_not_see_order_scale_or_rotation(width, samples, seed):
    generator = seeded(seed)
    z = torch.randn(samples, width, generator=generator, dtype=torch.float64)
    z = z * torch.logspace(0, -3, width, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(width, width, generator=generator).double())[0]
    expected = float(rankme(z))
    for same in (z[torch.randperm(samples, generator=generator)], 7e3 * z, z @ rotation):
        assert float(rankme(same)) == pytest.approx(expected, rel=1e-6)


@given(st.integers(2, 12), st.integers(3, 40), st.integers(0, 1000), st.floats(0, 1e3))
def test_centred_rankme_does_not_see_what_all_samples_share(width, samples, seed, offset):
    z = torch.randn(samples, width, generator=seeded(seed), dtype=torch.float64)
    s = torch.linalg.svdvals(z - z.mean(0))
    expected = float(effective_rank(s))
    assert float(rankme(z + offset, centred=True)) == pytest.approx(expected, rel=1e-5)
    if offset > 100:
        assert float(rankme(z + offset)) < 2 < expected + 1


def test_samples_that_differ_by_rounding_have_no_centred_rank():
    one = torch.randn(1, 8, generator=seeded(0), dtype=torch.float64) * 7
    noise = 1e-8 * torch.randn(200, 8, generator=seeded(1), dtype=torch.float64)
    assert math.isnan(rankme(one + noise, centred=True))
    assert math.isnan(rankme(one.expand(200, 8), centred=True))
    assert float(rankme(one + 1e4 * noise, centred=True)) > 6


def test_activations_of_lower_precision_are_measured_in_full(model):
    states = torch.stack(model.hidden_states(batch(200)[0])).mean(2).detach()  # (L + 2, n, d)
    exact = rankme(states.double())
    assert rankme(states) == pytest.approx(exact, rel=1e-12)
    rounded = states.bfloat16()
    assert torch.equal(rankme(rounded), rankme(rounded.double()))
    assert rankme(rounded) == pytest.approx(exact, rel=0.03)  # what rounding the states costs


@pytest.mark.parametrize("block_bytes", [per_sample.BLOCK_BYTES, 4000])
def test_gradients_of_samples_are_those_of_single_backward_passes(model, monkeypatch, block_bytes):
    monkeypatch.setattr(per_sample, "BLOCK_BYTES", block_bytes)
    inputs, targets = batch(24)
    expected = reference_gradients(model, inputs, targets)
    blocks = list(ForwardPass(model, inputs, targets).gradients(targets))
    assert torch.cat(blocks, 1) == pytest.approx(expected, abs=1e-5)
    large = max(block.numel() * 4 for block in blocks[2:])  # without the embeddings
    assert large <= max(block_bytes, 24 * 4 * 4 * 4)


def test_gradient_rank_is_that_of_the_covariance(model):
    inputs, targets = batch(24)
    gradients = reference_gradients(model, inputs, targets).double()
    values = torch.linalg.eigvalsh(torch.cov(gradients.T))
    found = gradient_rank(ForwardPass(model, inputs, targets))
    assert float(found) == pytest.approx(float(effective_rank(values)), rel=1e-5)
    first = gradient_rank(ForwardPass(model, inputs, targets), first=100)
    values = torch.linalg.eigvalsh(torch.cov(gradients[:, :100].T))
    assert float(first) == pytest.approx(float(effective_rank(values)), rel=1e-5)
    assert float(first) != pytest.approx(float(found), rel=1e-3)


def test_gradient_rank_of_few_distinct_samples_is_at_most_their_number_less_one(model):
    inputs, targets = batch(3)
    repeated = ForwardPass(model, inputs.repeat(10, 1), targets.repeat(10, 1))
    assert 1.0 < float(gradient_rank(repeated)) < 2.001


def test_gradient_rank_does_not_see_the_order_of_samples(model):
    inputs, targets = batch(20)
    order = torch.randperm(20, generator=seeded(1))
    assert float(gradient_rank(ForwardPass(model, inputs[order], targets[order]))) == pytest.approx(
        float(gradient_rank(ForwardPass(model, inputs, targets))), rel=1e-5
    )


def test_fisher_labels_are_drawn_from_the_model(model):
    inputs, targets = (x[:1].repeat(4000, 1) for x in batch(1))
    passes = ForwardPass(model, inputs, targets)
    drawn = passes.sampled_labels(seeded(0))
    assert ((drawn >= 0) == (targets >= 0)).all()
    position = int(torch.argmax((targets[0] >= 0).int()))
    p = passes.logits[0, position].detach().softmax(-1)
    seen = torch.bincount(drawn[:, position], minlength=len(p)) / 4000
    assert seen == pytest.approx(p, abs=5 * float((p * (1 - p) / 4000).max().sqrt()))


def test_fisher_rank_is_that_of_the_scores(model):
    inputs, targets = batch(24)
    labels = ForwardPass(model, inputs, targets).sampled_labels(seeded(3))
    scores = reference_gradients(model, inputs, labels).double()
    values = torch.linalg.eigvalsh(scores @ scores.T)
    found = fisher_rank(ForwardPass(model, inputs, targets), seeded(3))
    assert float(found) == pytest.approx(float(effective_rank(values)), rel=1e-5)


def test_a_gram_matrix_of_blocks_is_that_of_the_whole():
    rows = torch.randn(6, 30, generator=seeded(0))
    blocks = rows.split([4, 20, 6], dim=1)
    assert gram(iter(blocks)) == pytest.approx((rows @ rows.T).double(), rel=1e-5)
    assert gram(iter(blocks), first=10) == pytest.approx(
        (rows[:, :10] @ rows[:, :10].T).double(), rel=1e-5
    )


# --- the Hessian ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full_hessian(model):
    """(parameters, parameters), by torch.func's own second derivatives."""
    inputs, targets = batch(32)
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    sizes = {name: p.numel() for name, p in parameters.items()}

    def loss(flat):
        parts = dict(zip(sizes, flat.split(list(sizes.values())), strict=True))
        given_ = {"decoder." + k: v.view_as(parameters[k]) for k, v in parts.items()}
        logits = functional_call(Scores(model), given_, (inputs,))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    flat = torch.cat([p.flatten() for p in parameters.values()])
    with sdpa_kernel(SDPBackend.MATH):
        return torch.func.jacrev(grad(loss), chunk_size=64)(flat).double()


def test_products_are_those_of_the_full_hessian(model, full_hessian):
    hessian = HessianOfLoss(model, *batch(32))
    v = torch.randn(hessian.size, generator=seeded(0))
    expected = (full_hessian @ v.double()).float()
    assert hessian @ v == pytest.approx(expected, abs=1e-4)
    blocks = HessianOfLoss(model, *batch(32), block=5)
    assert blocks @ v == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 0.001])
def test_the_top_eigenvalue_lies_within_the_residual(model, full_hessian, tolerance):
    top = float(torch.linalg.eigvalsh((full_hessian + full_hessian.T) / 2)[-1])
    found = hessian_top(HessianOfLoss(model, *batch(32)), seeded(1), tolerance)
    assert found.converged
    assert found.residual <= tolerance * found.value
    assert abs(found.value - top) <= found.residual


def test_a_stop_before_convergence_is_said(model):
    found = hessian_top(HessianOfLoss(model, *batch(32)), seeded(1), max_steps=2)
    assert not found.converged
    assert found.steps == 2


@pytest.mark.parametrize("block", [None, 5])
def test_the_trace_and_its_error(model, full_hessian, block):
    before = [p.detach().clone() for p in model.parameters()]
    value, stderr = hessian_trace(model, *batch(32), seeded(0), probes=64, block=block)
    assert abs(value - float(full_hessian.trace())) < 4 * stderr
    # The variance of one probe of signs is twice the squared norm off the diagonal.
    off = full_hessian - torch.diag(full_hessian.diagonal())
    assert stderr == pytest.approx(math.sqrt(2 * float(off.square().sum()) / 64), rel=0.4)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("block", [None, 5])
def test_second_differences_are_quadratic_forms_of_the_hessian(model, block):
    value, _ = hessian_trace(model, *batch(32), seeded(0), probes=3, block=block)
    exact = HessianOfLoss(copy.deepcopy(model).double(), *batch(32))
    generator = seeded(0)
    forms = []
    for _ in range(3):
        z = torch.randint(0, 2, (exact.size,), generator=generator, dtype=torch.int8).double()
        z = 2 * z - 1
        forms.append(float(z @ (exact @ z)))
    assert value == pytest.approx(np.mean(forms), rel=1e-5)


def test_the_hessian_is_that_of_hessian_eigenthings(model):
    eigenthings = pytest.importorskip("hessian_eigenthings")
    inputs, targets = batch(32)

    def loss(decoder, data):
        with sdpa_kernel(SDPBackend.MATH):
            return answer_loss(decoder, *data)

    operator = eigenthings.HessianOperator(model, [(inputs, targets)], loss)
    hessian = HessianOfLoss(model, inputs, targets)
    v = torch.randn(hessian.size, generator=seeded(2))
    assert hessian @ v == pytest.approx(operator.matvec(v), abs=1e-4)
    peer = eigenthings.lanczos(operator, k=1, max_iter=40, which="LA")
    found = hessian_top(hessian, seeded(0), tolerance=1e-3)
    assert found.value == pytest.approx(float(peer.eigenvalues[0]), rel=1e-3)


def dense_hessian(model, data):
    hessian = HessianOfLoss(model, *data)
    columns = [hessian @ e for e in torch.eye(hessian.size)]
    return torch.stack(columns).double()


def test_preconditioned_sharpness_is_that_of_the_dense_matrix():
    decoder = Decoder(ModelConfig(4, 2, 2, tasks.VOCABULARY, tasks.CONTEXT))
    decoder.initialise(seeded(0))
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=0.02, betas=(0.8, 0.97), eps=1e-4)
    squares = [torch.zeros_like(p) for p in decoder.parameters()]
    assert adam_scale(optimiser) is None
    for step in range(20):
        loss = answer_loss(decoder, *batch(64, step + 1))
        optimiser.zero_grad()
        loss.backward()
        for square, p in zip(squares, decoder.parameters(), strict=True):
            square.mul_(0.97).add_(p.grad.square(), alpha=0.03)
        optimiser.step()
    # Adam's preconditioner, written out from its definition
    v = torch.cat([square.flatten() for square in squares]).double() / (1 - 0.97**20)
    p = (1 - 0.8**20) * (v.sqrt() + 1e-4)
    scale = adam_scale(optimiser)
    assert scale.numpy() == pytest.approx(p.rsqrt().numpy(), rel=1e-4)

    h = dense_hessian(decoder, batch(32))
    expected = torch.linalg.eigvals(h / p[:, None]).real.max()  # of P^-1 H, which is not symmetric
    hessian = PreconditionedHessian(HessianOfLoss(decoder, *batch(32)), scale)
    found = hessian_top(hessian, seeded(1), tolerance=1e-4, max_steps=200)
    assert found.value == pytest.approx(float(expected), rel=1e-3)


# --- stable rank, and likeness of representations ---------------------------------------------


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_stable_rank_is_that_of_singular_values(rows, columns, seed, factor):
    w = torch.randn(rows, columns, generator=seeded(seed), dtype=torch.float64)
    s = torch.linalg.svdvals(w)
    expected = float((s.square() / s[0].square()).sum())
    assert float(stable_rank(w)) == pytest.approx(expected, rel=1e-6)
    assert float(stable_rank(factor * w.T)) == pytest.approx(expected, rel=1e-6)
    assert 1 - 1e-9 <= expected <= min(rows, columns) + 1e-9
    assert float(stable_rank(torch.eye(rows))) == pytest.approx(rows)
    assert math.isnan(stable_rank(torch.zeros(rows, columns)))


def test_stable_ranks_of_layers_are_means_over_their_matrices(model):
    found = by_layer(model)
    assert found.shape == (4,)
    assert math.isnan(found[-1])  # the final norm has no matrix
    one = model.blocks[0]
    matrices = (one.qkv, one.attention_out, one.mlp_in, one.mlp_out)
    expected = np.mean([float(stable_rank(module.weight)) for module in matrices])
    assert float(found[1]) == pytest.approx(expected)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    moved = copy.deepcopy(model)
    with torch.no_grad():
        moved.blocks[1].mlp_in.weight += torch.outer(torch.ones(16), torch.ones(4))
    change = by_layer(moved, before)
    assert math.isnan(change[1])  # nothing has changed there
    assert float(stable_rank(moved.blocks[1].mlp_in.weight - before["blocks.1.mlp_in.weight"])) == (
        pytest.approx(1.0, rel=1e-4)
    )


def correlations(x, y):
    """Canonical correlations from the covariance matrices, as textbooks write them."""
    x, y = (np.asarray(z) - np.asarray(z).mean(0) for z in (x, y))
    sx, sy, sxy = x.T @ x, y.T @ y, x.T @ y
    m = np.linalg.solve(sx, sxy) @ np.linalg.solve(sy, sxy.T)
    found = np.sort(np.linalg.eigvals(m).real)[::-1]
    return np.sqrt(np.clip(found[: min(x.shape[1], y.shape[1])], 0, 1))


@given(st.integers(2, 5), st.integers(2, 5), st.integers(0, 500))
def test_svcca_with_all_directions_is_the_mean_canonical_correlation(d, e, seed):
    z = torch.randn(60, 8, generator=seeded(seed), dtype=torch.float64)
    x, y = z[:, :d] + 0.5, z[:, 3 : 3 + e] + 0.3 * z[:, :1]
    expected = correlations(x, y).mean()
    assert float(svcca(x, y, variance=1.0)) == pytest.approx(expected, abs=1e-6)
    turned = x @ torch.randn(d, d, generator=seeded(seed + 1), dtype=torch.float64)
    assert float(svcca(turned, y, variance=1.0)) == pytest.approx(expected, abs=1e-6)


def test_svcca_drops_directions_that_hold_little():
    z = torch.randn(300, 3, generator=seeded(0), dtype=torch.float64)
    noise = torch.randn(300, 3, generator=seeded(1), dtype=torch.float64)
    x, y = torch.cat([z, 1e-3 * noise], 1), torch.cat([z, 1e-3 * noise.flip(0)], 1)
    assert float(svcca(x, y)) == pytest.approx(1.0, abs=1e-3)
    assert float(svcca(x, y, variance=1.0)) < 0.8
    assert math.isnan(svcca(torch.ones(10, 2), z[:10]))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 500), st.floats(0.01, 100))
def test_cka_is_the_alignment_of_centred_kernels(d, e, seed, factor):
    x = torch.randn(30, d, generator=seeded(seed), dtype=torch.float64) + 2.0
    y = x[:, :1] + torch.randn(30, e, generator=seeded(seed + 1), dtype=torch.float64)
    centre = torch.eye(30, dtype=torch.float64) - 1 / 30
    k, m = (centre @ (z @ z.T) @ centre for z in (x, y))
    expected = float((k * m).sum() / (k.norm() * m.norm()))  # through the 30 x 30 kernels
    assert float(cka(x, y)) == pytest.approx(expected, rel=1e-9)
    rotation = torch.linalg.qr(torch.randn(d, d, generator=seeded(seed), dtype=torch.float64))[0]
    assert float(cka(factor * x @ rotation + 1.0, y)) == pytest.approx(expected, rel=1e-6)
    assert float(cka(x, x)) == pytest.approx(1.0)


# --- the local learning coefficient -----------------------------------------------------------


class Point(nn.Module):
    def __init__(self, *values):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values))


def constant(value, index):
    """The same loss for each sample."""
    return value.expand(len(index)), torch.ones(len(index))


QUICK = Sampler(1e-3, 0.0, 1000.0, chains=6, burn_in=300, draws=1000, batch=2)


def test_llc_of_a_regular_model_is_half_its_parameters():
    found = llc(
        Point(*[0.0] * 6), lambda m, i: constant(0.5 * m.w.square().sum(), i), 10, QUICK, seeded(0)
    )
    # Steps of a finite size widen a Gaussian of precision nb by 1 / (1 - eps nb / 4).
    assert abs(found.value - 3.0 / (1 - 0.25)) < 4 * found.stderr
    assert not found.negative
    assert not found.drifting
    small = dataclasses.replace(QUICK, step_size=1e-4, draws=3000)
    found = llc(
        Point(*[0.0] * 6), lambda m, i: constant(0.5 * m.w.square().sum(), i), 10, small, seeded(0)
    )
    assert abs(found.value - 3.0 / (1 - 0.025)) < 4 * found.stderr


def test_llc_of_a_normal_crossing_is_that_of_its_integral():
    """L = (w1 w2)^2 has learning coefficient 1/2; at finite n beta the integral says how much."""
    nb, gamma = 100.0, 1.0
    axis = torch.linspace(-5, 5, 4001, dtype=torch.float64)
    loss = (axis[:, None] * axis[None, :]).square()
    log_density = -nb * loss - gamma / 2 * (axis[:, None] ** 2 + axis[None, :] ** 2)
    density = (log_density - log_density.max()).exp()
    expected = float(nb * (loss * density).sum() / density.sum())
    sampler = Sampler(1e-3, gamma, nb, chains=6, burn_in=500, draws=4000, batch=1)
    found = llc(
        Point(0.0, 0.0), lambda m, i: constant(m.w.prod().square(), i), 1, sampler, seeded(0)
    )
    assert abs(found.value - expected) < 4 * found.stderr
    assert 0.25 < expected < 0.5


def test_llc_of_reduced_rank_regression_is_the_known_one():
    """Aoyagi and Watanabe (2005): 4 inputs and outputs, 3 hidden units, true rank 1: 6, not 12."""

    class ReducedRank(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(4, 3))
            with torch.no_grad():
                self.a[0, 0] = self.b[0, 0] = 1.0
            self.truth = (self.b @ self.a).detach()

    def loss(m, index):
        return constant(0.5 * (m.b @ m.a - m.truth).square().sum(), index)

    sampler = Sampler(2e-5, 1.0, 1e4, chains=4, burn_in=1000, draws=2000, batch=1)
    found = llc(ReducedRank(), loss, 1, sampler, seeded(0))
    assert found.value == pytest.approx(6.0, rel=0.2)


def token_losses(inputs, targets):
    def losses(model, index):
        x, y = inputs[index], targets[index]
        answers = y >= 0
        scores = model.logits(model.hidden_states(x)[-1][answers])
        nll = F.cross_entropy(scores, y[answers], reduction="none")
        sums = torch.zeros(len(index)).index_add(0, answers.nonzero()[:, 0], nll)
        return sums, answers.sum(1).float()

    return losses


def test_llc_leaves_the_model_alone_and_repeats(model):
    inputs, targets = batch(128)
    before = [p.detach().clone() for p in model.parameters()]
    sampler = Sampler(1e-5, 100.0, 100.0, chains=2, burn_in=2, draws=4, batch=16)
    first = llc(model, token_losses(inputs, targets), 128, sampler, seeded(0))
    again = llc(model, token_losses(inputs, targets), 128, sampler, seeded(0))
    assert first == again
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert first.initial_loss == pytest.approx(
        float(answer_loss(model, inputs, targets).detach()), rel=1e-5
    )


def test_chains_that_leave_the_basin_are_said_and_not_averaged():
    """A well at w = 0 in a plateau: steps that are too long end on the plateau."""

    def loss(m, index):
        return constant(1 - torch.exp(-m.w.square().sum() / 0.01), index)

    wild = Sampler(0.5, 0.0, 10.0, chains=3, burn_in=20, draws=20, batch=1)
    found = llc(Point(0.0), loss, 1, wild, seeded(0), chance=1.0)
    assert all(found.escaped)
    assert math.isnan(found.value)
    assert len(found.chains) == 3


@pytest.mark.parametrize("chance", [1.0, math.inf])
def test_chains_that_diverge_have_escaped(chance):
    steep = Sampler(1.0, 0.0, 1000.0, chains=3, burn_in=50, draws=50, batch=1)
    found = llc(
        Point(0.0), lambda m, i: constant(m.w.square().sum(), i), 1, steep, seeded(0), chance
    )
    assert all(found.escaped)
    assert math.isnan(found.value)


def test_a_checkpoint_at_chance_has_no_basin_to_leave():
    def loss(m, index):
        return constant(1.0 + 0.5 * m.w.square().sum(), index)

    sampler = Sampler(1e-3, 0.0, 100.0, chains=3, burn_in=50, draws=50, batch=1)
    found = llc(Point(0.0, 0.0), loss, 1, sampler, seeded(0), chance=1.0)
    assert not any(found.escaped)
    assert found.value > 0


def test_llc_on_a_slope_is_negative():
    found = llc(
        Point(1.0), lambda m, i: constant(10 * m.w.sum(), i), 1,
        Sampler(1e-4, 1.0, 100.0, chains=3, burn_in=10, draws=20, batch=1), seeded(0),
    )  # fmt: skip
    assert found.negative
    assert found.drifting


def grouped(curvatures):
    """Losses of two groups of samples: group i is a bowl of curvature i along coordinate i."""
    size = 20

    def losses(model, index):
        group = index // size
        return 0.5 * curvatures[group] * model.w[group].square(), torch.ones(len(index))

    return losses, Groups(losses, 2, size, (math.inf, math.inf))


def test_parts_of_groups_are_their_losses_under_the_posterior_of_the_whole():
    curvature, gamma, nb = torch.tensor([8.0, 0.5]), 200.0, 1000.0
    losses, groups = grouped(curvature)
    sampler = Sampler(1e-4, gamma, nb, chains=6, burn_in=200, draws=2400, batch=40, thinning=3)
    found = llc(Point(0.0, 0.0), losses, 40, sampler, seeded(0), groups=groups)
    # The loss of the whole is the mean of the two, and its coordinates are independent; steps of a
    # finite size widen each.
    precision = nb * curvature / 2 + gamma
    expected = 0.5 * nb * curvature / precision / (1 - 1e-4 * precision / 4)
    for part, truth in zip(found.parts, expected.tolist(), strict=True):
        assert abs(part.value - truth) < 4 * part.stderr
        assert len(part.chains) == sampler.chains
    whole = sum(part.value for part in found.parts) / 2
    assert abs(whole - found.value) < 4 * found.stderr


def test_antithetic_chains_have_the_right_law_and_less_noise_from_slopes():
    """A bowl with a slope at the checkpoint: exp(-nb (w^2 / 2 + w) - gamma w^2 / 2) is a Gaussian."""
    nb, gamma, eps = 100.0, 300.0, 1e-4
    precision, centre = nb + gamma, -nb / (nb + gamma)
    variance = 1 / precision / (1 - eps * precision / 4)
    truth = nb * (0.5 * (variance + centre**2) + centre)
    found = {
        antithetic: llc(
            Point(0.0),
            lambda m, i: constant((0.5 * m.w.square() + m.w).sum(), i),
            10,
            Sampler(eps, gamma, nb, 20, burn_in=300, draws=300, batch=2, antithetic=antithetic),
            seeded(0),
        )
        for antithetic in (False, True)
    }
    for one in found.values():
        assert abs(one.value - truth) < 4 * one.stderr
    assert found[True].stderr < 0.5 * found[False].stderr
    with pytest.raises(ValueError, match="pairs"):
        llc(
            Point(0.0), lambda m, i: constant(m.w.sum(), i), 10,
            Sampler(eps, gamma, nb, chains=3, antithetic=True), seeded(0),
        )  # fmt: skip


def test_a_part_whose_group_was_left_is_reported_and_not_averaged():
    """Steep in the second group, whose basin ends at chance; the first knows of nothing."""
    size = 20

    def losses(model, index):
        second = (1 - torch.exp(-2000 * model.w.square().sum())).expand(len(index))
        return torch.where(index < size, 0.0 * second, second), torch.ones(len(index))

    groups = Groups(losses, 2, size, (1.0, 1.0))
    sampler = Sampler(1e-3, 0.0, 1.0, chains=3, burn_in=100, draws=100, batch=20)
    found = llc(Point(0.0, 0.0), losses, 2 * size, sampler, seeded(0), groups=groups)
    assert [part.escaped for part in found.parts] == [(False,) * 3, (True,) * 3]
    assert found.parts[0].value == 0.0
    assert math.isnan(found.parts[1].value)


def test_parts_need_four_readings():
    losses, groups = grouped(torch.ones(2))
    with pytest.raises(ValueError, match="four readings"):
        llc(Point(0.0, 0.0), losses, 40, Sampler(1e-4, 1, 1, draws=8), seeded(0), groups=groups)


def test_llc_is_that_of_devinterp(model):
    """The same model, data and settings; the two differ by their Monte-Carlo error.

    A chain strays now and then, in either, and which one it is depends on how the processor draws
    normal numbers: so the medians of many chains are compared, each with its robust error.
    """
    pytest.importorskip("devinterp")
    from devinterp.optim import SGLD
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary
    from torch.utils.data import DataLoader, TensorDataset

    inputs, targets = batch(512)
    sampler = Sampler(1e-3, 30.0, 100.0, chains=5, burn_in=40, draws=40, batch=32)
    ours, theirs = [], []
    for seed in range(3):
        found = llc(model, token_losses(inputs, targets), 512, sampler, seeded(seed), math.log(22))
        ours += found.chains
        summary = estimate_learning_coeff_with_summary(
            model,
            DataLoader(TensorDataset(inputs, targets), batch_size=32, shuffle=True),
            [],
            lambda decoder, data: (answer_loss(decoder, *data),),
            SGLD,
            optimizer_kwargs={"lr": 1e-3, "localization": 30.0, "nbeta": 100.0},
            num_draws=40, num_chains=5, num_burnin_steps=40, seed=seed, verbose=False,
            init_loss=found.initial_loss,
        )  # fmt: skip
        theirs += [value for name, value in summary.items() if name.startswith("llc-chain/")]
    error = math.hypot(*(median_error(chains) for chains in (ours, theirs)))
    assert len(ours) == len(theirs) == 15
    assert abs(np.median(ours) - np.median(theirs)) < 4 * error
    assert error < 0.1 * np.median(ours)


def median_error(values):
    """Standard error of a median of normal values, by their median absolute deviation."""
    spread = 1.4826 * np.median(np.abs(np.array(values) - np.median(values)))
    return 1.2533 * spread / math.sqrt(len(values))
