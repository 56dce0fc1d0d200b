"""A GPT-NeoX of a few thousand parameters that is trained for some steps, saved as revisions in the layout of the hub's cache."""

import hashlib
import json

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

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


def model(width=16, layers=2, seed=0):
    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=320,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=4 * width,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPTNeoXForCausalLM(config).eval()


def publish(folder, steps, repeated=None, seed=0):
    """Train, and save a revision ``stepN`` at each of `steps`: refs, snapshots, safetensors, as the hub's cache has them.

    `repeated`: {step: another}, whose weights it serves instead of its own.
    """
    words, net = tokenizer(), model(seed=seed)
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
