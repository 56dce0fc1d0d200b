"""What a model makes of items, against rows of context and option, one at a time and without a cache."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
TemplateProcessing = pytest.importorskip("tokenizers.processors").TemplateProcessing

from emergence_stats.errors import CollectError  # noqa: E402
from emergence_training.language.encoding import (  # noqa: E402
    Encoded,
    batches,
    check_tokens,
    encode_item,
    first_tokens,
)
from emergence_training.language.evaluation import Evaluation, choices, rows_of_text  # noqa: E402
from emergence_training.language.items import Item  # noqa: E402
from emergence_training.language.rows import RowReader, reader_of  # noqa: E402
from emergence_training.language.scoring import Reader, ranks  # noqa: E402
from tests.training.language.models import capped, model, tokenizer  # noqa: E402

CPU = torch.device("cpu")
SMALL = {"vocab_size": 320, "bos_token_id": 0, "eos_token_id": 0}


def gpt2():
    config = transformers.GPT2Config(n_embd=16, n_layer=3, n_head=2, n_positions=64, **SMALL)
    return transformers.GPT2LMHeadModel(config).eval()


def llama():
    config = transformers.LlamaConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=32,
        **SMALL,
    )
    return transformers.LlamaForCausalLM(config).eval()


def random_items(n=23, longest=4):
    rng = np.random.default_rng(0)

    def tokens(high):
        return rng.integers(1, 320, rng.integers(1, high)).tolist()

    return [
        Encoded(
            tokens(12), [tokens(longest + 1) for _ in range(rng.integers(2, 5))], 0, [1, 1, 1, 1]
        )
        for _ in range(n)
    ]


@torch.no_grad()
def slow_score(net, context, option):
    rows = net(torch.tensor([context + option])).logits[0].log_softmax(-1)
    return sum(rows[len(context) - 1 + i, token].item() for i, token in enumerate(option))


@pytest.mark.parametrize("make", [model, gpt2, llama])
@pytest.mark.parametrize("longest", [1, 4])
def test_options_are_as_likely_as_in_a_row_of_their_own(make, longest):
    torch.manual_seed(1)
    net, probe = make(), random_items(longest=longest)
    scores = Reader(net).score(probe, list(batches(probe, 5, CPU)))
    for item, found in zip(probe, scores.log_probs, strict=True):
        wanted = [slow_score(net, item.context, option) for option in item.options]
        assert found == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("make", [model, gpt2, llama])
def test_states_are_those_of_each_context_alone(make):
    torch.manual_seed(1)
    net, probe = make(), random_items()
    states = Reader(net).score(probe, list(batches(probe, 5, CPU))).states
    for i in (0, 7, 22):
        with torch.no_grad():
            out = net(torch.tensor([probe[i].context]), output_hidden_states=True)
        *inner, final = (h[0].double() for h in out.hidden_states)
        for layer, wanted in [*enumerate(inner), (-1, final)]:
            unit = torch.nn.functional.normalize(wanted, dim=-1)
            found = states[:, layer, i]
            for a, b in zip(found, (wanted.mean(0), wanted[-1], unit.mean(0)), strict=True):
                assert torch.allclose(a, b, atol=1e-5)
    assert states.shape == (3, net.config.num_hidden_layers + 2, len(probe), 16)


def test_the_size_of_a_batch_changes_nothing():
    net, probe = model(), random_items()
    a, b = (Reader(net).score(probe, list(batches(probe, size, CPU))) for size in (1, 23))
    assert np.concatenate(a.log_probs) == pytest.approx(np.concatenate(b.log_probs), abs=1e-5)
    assert torch.allclose(a.states, b.states, atol=1e-5)


def mpt():
    config = transformers.MptConfig(d_model=16, n_layers=2, n_heads=2, max_seq_len=64, vocab_size=320)  # fmt: skip
    net = transformers.MptForCausalLM(config).eval()
    for parameter in net.parameters():  # or nearly all options are alike
        parameter.data.mul_(4)
    return net


def mamba():
    config = transformers.MambaConfig(hidden_size=16, num_hidden_layers=2, state_size=4, **SMALL)
    return transformers.MambaForCausalLM(config).eval()


def gemma2():
    return capped(cap=0.05)


def windowed():
    """Sees the last tokens alone, of the padding too."""
    config = transformers.GPTNeoConfig(
        hidden_size=16, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]],
        window_size=4, max_position_embeddings=64, **SMALL,
    )  # fmt: skip
    net = transformers.GPTNeoForCausalLM(config).eval()
    for parameter in net.parameters():
        parameter.data.mul_(4)
    return net


def bidirectional():
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, **SMALL
    )
    return transformers.BertLMHeadModel(config).eval()


def opt_350m():
    config = transformers.OPTConfig(
        hidden_size=16, word_embed_proj_dim=8, num_hidden_layers=2, num_attention_heads=2, ffn_dim=32, **SMALL
    )  # fmt: skip
    return transformers.OPTForCausalLM(config).eval()


@pytest.mark.parametrize(
    ("make", "why"),
    [(mpt, "where its context is padded"), (mamba, "keys and values"), (gemma2, "changes its scores"), (windowed, "is padded")],
)  # fmt: skip
def test_a_model_that_cannot_share_a_context_is_read_in_rows(make, why):
    torch.manual_seed(0)
    net, probe = make(), random_items()
    reader = reader_of(net, {("a", 0): probe}, CPU)
    assert why in reader.by_rows
    scores = reader.score(probe, list(batches(probe, 5, CPU)))
    for i, (item, found) in enumerate(zip(probe, scores.log_probs, strict=True)):
        wanted = [slow_score(net, item.context, option) for option in item.options]
        assert found == pytest.approx(wanted, abs=1e-5)
        with torch.no_grad():
            own = net(torch.tensor([item.context]), output_hidden_states=True)
        every = [h[0].double() for h in own.hidden_states]
        first = 1 if make is mamba else 0  # which gives no embedding
        for layer, states in [*enumerate(every[:-1], first), (-1, every[-1])]:
            assert torch.allclose(scores.states[0, layer, i], states.mean(0), atol=1e-5)
            assert torch.allclose(scores.states[1, layer, i], states[-1], atol=1e-5)
    rows = [[5, 6, 7, 8, 9], [5, 9]]
    loss = Evaluation({("a", 0): probe}, rows_of_text(rows, CPU), CPU).text_loss(reader)
    every = [slow_score(net, row[:1], row[1:]) for row in rows]
    assert loss == pytest.approx(-sum(every) / 5, abs=1e-5)


def test_rows_give_the_numbers_of_shared_contexts():
    net, probe = model(), random_items()
    some = list(batches(probe, 5, CPU))
    shared, rows = reader_of(net, {("a", 0): probe}, CPU), RowReader(net, "asked")
    assert shared.by_rows is None
    a, b = shared.score(probe, some), rows.score(probe, some)
    assert np.concatenate(a.log_probs) == pytest.approx(np.concatenate(b.log_probs), abs=1e-5)
    assert torch.allclose(a.states, b.states, atol=1e-5)


def test_a_model_without_states_of_one_width_is_refused():
    with pytest.raises(CollectError, match=r"OPTForCausalLM cannot be read: .* of one width"):
        reader_of(opt_350m(), {("a", 0): random_items()}, CPU)


def test_a_model_that_looks_at_later_tokens_is_refused():
    with pytest.raises(CollectError, match="BertLMHeadModel is no causal language model"):
        reader_of(bidirectional(), {("a", 0): random_items()}, CPU)


def test_a_checkpoint_that_overflows_is_measured_as_not_a_number():
    for net in (model(), mamba()):
        probes = {("a", 0): random_items()}
        net.get_output_embeddings().weight.data.fill_(torch.inf)
        reader = reader_of(net, probes, CPU)
        scores = reader.score(probes["a", 0], list(batches(probes["a", 0], 5, CPU)))
        assert np.isnan(choices(probes["a", 0], scores.log_probs)["accuracy"])
        assert reader.by_rows is None  # it tells nothing of the others


def test_states_that_are_not_finite_have_no_rank():
    states = torch.randn(3, 4, 10, 6, dtype=torch.float64)
    states[1, 2, 0, 0] = torch.inf
    found = ranks(states, centred=False)
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 2]]
    states[1, 2] = 0.0
    np.testing.assert_array_equal(np.isnan(ranks(states, centred=True)), np.isnan(found))
    usable = ~np.isnan(found)
    np.testing.assert_array_equal(ranks(states, centred=False)[usable], found[usable])


def test_without_text_there_is_no_loss_on_it():
    probes = {("a", 0): random_items(5)}
    assert np.isnan(Evaluation(probes, rows_of_text([], CPU), CPU).text_loss(Reader(model())))


def test_an_option_is_what_it_adds_to_the_tokens_of_its_context():
    words = tokenizer()

    def encode(text):
        return words.encode(text, add_special_tokens=False)

    item = encode_item(Item("The cat sat on the", (" mat", " sea"), 0), encode, 0)
    assert item.context + item.options[0] == encode("The cat sat on the mat")
    assert item.characters == [3, 3]
    assert encode_item(Item("", ("The", "A"), 0), encode, 0).context == [0]
    with pytest.raises(CollectError, match="no first token"):
        encode_item(Item("", ("The", "A"), 0), encode, None)
    with pytest.raises(CollectError, match="adds no token"):
        encode_item(Item("The", ("", " a"), 0), encode, 0)


@pytest.mark.parametrize(
    ("context", "text", "words"),
    [
        ([1] * 12, [], "an item of x, level 0, has 13 tokens, and the model reads 12"),
        ([1], [[1] * 14], "a sentence of the text .* has 13 tokens, and the model reads 12"),
        ([320], [], "token 320 of an item, and the model has 320 tokens"),
        ([1], [[320, 1]], "token 320 of an item, and the model has 320 tokens"),
    ],
)
def test_what_a_model_cannot_read_is_an_error(context, text, words):
    net = model()
    net.config.max_position_embeddings = 12
    probes = {("x", 0): [Encoded(context, [[1], [2, 3]], 0, [1, 1])]}
    with pytest.raises(CollectError, match=words):
        check_tokens(probes, text, net)
    check_tokens({("x", 0): [Encoded([1] * 11, [[1], [2, 3]], 0, [1, 1])]}, [[319] * 13], net)


def test_a_loss_of_text_that_is_not_finite_is_none():
    net = model()
    net.get_output_embeddings().weight.data[5] = float("inf")
    rows = rows_of_text([[1, 5, 3, 2]], CPU)
    assert np.isnan(Evaluation({}, rows, CPU).text_loss(Reader(net)))


def test_what_a_tokenizer_begins_with_comes_before_each_context():
    words = tokenizer()
    assert first_tokens(words) == []
    words._tokenizer.post_processor = TemplateProcessing(  # a token after the text is no beginning
        single="<|endoftext|> $A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]
    )
    assert first_tokens(words) == [0]

    def encode(text):
        return words.encode(text, add_special_tokens=False)

    item = encode_item(Item("The cat", (" sat", " sea"), 0), encode, 0, [0])
    assert [*item.context, *item.options[0], 0] == words.encode("The cat sat")
    assert encode_item(Item("", ("The", "A"), 0), encode, 0, [0]).context == [0]


def test_choices_by_hand():
    probe = [Encoded([1], [[1], [2, 3]], 0, [1, 4]), Encoded([1], [[1], [2]], 1, [2, 2])]
    found = choices(probe, [np.array([-1.0, -2.0]), np.array([-1.0, -1.0])])
    assert found["accuracy"] == 0.5  # of equal ones the first
    assert found["accuracy_norm"] == 0.0  # -1 and -1/2 a character
    assert found["log_prob"] == -1.0
    assert found["loss"] == 1.0
    share = np.exp(-1) / (np.exp(-1) + np.exp(-2))
    assert found["choice_log_prob"] == pytest.approx((np.log(share) + np.log(0.5)) / 2)


def test_an_option_without_a_score_leaves_no_choice():
    """argmax takes NaN for the largest, and would call the first option chosen."""
    probe = [Encoded([1], [[1], [2]], 0, [1, 1])]
    assert np.isnan(list(choices(probe, [np.array([np.nan, np.nan])]).values())).all()


def test_loss_on_text_is_that_of_every_token_but_the_first():
    net = model()
    rows = [[5, 6, 7, 8, 9], [5, 9]]
    evaluation = Evaluation({("x", 0): random_items(3)}, rows_of_text(rows, CPU), CPU)
    with torch.no_grad():
        each = [
            net(torch.tensor([row])).logits[0, :-1].log_softmax(-1)[range(len(row) - 1), row[1:]]
            for row in rows
        ]
    assert evaluation.text_loss(Reader(net)) == pytest.approx(
        -torch.cat(each).mean().item(), abs=1e-5
    )
