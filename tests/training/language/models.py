"""A model of a few thousand parameters that is trained for some steps, saved as revisions in the layout of the hub's cache."""

import hashlib
import json

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    PreTrainedTokenizerFast,
)

TEXT = (
    "The cat sat on the mat and the dog sat on the log. A ship sails the sea, and two ships sail the seas. "
    "One and one is two. Red is a colour, and blue is a colour. The key to the doors is here; the keys are here. "
) * 4


def tokenizer():
    """Byte-level pairs of `TEXT`."""
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    bare.train_from_iterator(
        [TEXT],
        trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def model(width=16, layers=2, seed=0, vocabulary=320):
    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=4 * width,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPTNeoXForCausalLM(config).eval()


def capped(seed=0, cap=2.0):
    """A Gemma 2 of the same size, which caps its scores."""
    torch.manual_seed(seed)
    config = Gemma2Config(
        vocab_size=320,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        intermediate_size=32,
        max_position_embeddings=256,
        final_logit_softcapping=cap,
        bos_token_id=0,
        eos_token_id=0,
    )
    return Gemma2ForCausalLM(config).eval()


def begun():
    """The same tokenizer with a token before each text."""
    words = tokenizer()
    words.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    return words


def publish(folder, steps, repeated=None, seed=0, make=model, words=None):
    """Train, and save a revision ``stepN`` at each of `steps`: refs, snapshots, safetensors, as the hub's cache has them.

    `repeated`: {step: another}, whose weights it serves instead of its own.
    """
    words, net = words or tokenizer(), make(seed=seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    tokens = torch.tensor(words.encode(TEXT))
    (folder / "refs").mkdir(parents=True)
    commits = {}
    for step in range(max(steps) + 1):
        if step in steps:
            commit = hashlib.sha1(json.dumps([seed, step]).encode()).hexdigest()
            commits[step] = commit
            net.save_pretrained(folder / "snapshots" / commit)
            words.save_pretrained(folder / "snapshots" / commit)
            (folder / "refs" / f"step{step}").write_text(commit)
        start = 7 * step % (len(tokens) - 65)
        batch = tokens[start : start + 64][None]
        net(input_ids=batch, labels=batch).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    for step, other in (repeated or {}).items():
        (folder / "refs" / f"step{step}").write_text(commits[other])
    return folder
