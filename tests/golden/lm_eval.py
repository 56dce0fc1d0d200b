"""Golden values: the seven probe sets as lm-evaluation-harness scores them, on a GPT-NeoX whose weights numpy draws; with a tokenizer
that puts nothing before a text, as Pythia's, and with one that puts a token there, as Llama's and Gemma's.

    pip install lm_eval
    python -m tests.golden.lm_eval > tests/golden/lm_eval.json

Needs lm_eval besides what the tests need, and no network: the items are handed to it as local files.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from tokenizers.processors import TemplateProcessing
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from emergence_training.language.items import shipped_items
from emergence_training.language.trained import tokenizer

SHOWN = 5  # items of each set whose log-probabilities are kept


def model():
    """The same weights whatever the version of torch."""
    config = GPTNeoXConfig(
        vocab_size=tokenizer.SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=0,
    )
    net = GPTNeoXForCausalLM(config)
    rng = np.random.default_rng(20261128)
    with torch.no_grad():
        for _, parameter in sorted(net.named_parameters()):
            drawn = rng.normal(0.0, 0.3, tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(drawn).float() + (parameter.ndim == 1))
    return net.eval()


def words(*, begins):
    """`begins`: whether each text begins with a token of its own."""
    found = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer.FILE), bos_token=tokenizer.END, eos_token=tokenizer.END
    )
    if begins:
        found.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{tokenizer.END} $A", special_tokens=[(tokenizer.END, 0)]
        )
    return found


def by_set():
    found = {}
    for (name, _), items in shipped_items().items():
        found.setdefault(name, []).extend(items)
    return found


def main():
    import lm_eval

    golden = {"lm_eval": lm_eval.__version__}
    for begins, name in ((False, "bare"), (True, "begun")):
        golden[name] = scored(begins)
    sys.stdout.write(json.dumps(golden, indent=1) + "\n")


def scored(begins):
    """Of each set accuracy, accuracy by length, and log-probabilities of some items."""
    import lm_eval
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    harness = HFLM(pretrained=model(), tokenizer=words(begins=begins), batch_size=1)
    golden = {}
    with tempfile.TemporaryDirectory() as folder:
        tasks = []
        for name, items in by_set().items():
            file = Path(folder) / f"{name}.json"
            file.write_text(
                "\n".join(
                    json.dumps(
                        {
                            "context": i.context,
                            "options": [o.lstrip() for o in i.options],
                            "gold": i.gold,
                        }
                    )
                    for i in items
                )
            )
            tasks.append(
                ConfigurableTask(
                    config={
                        "task": name,
                        "dataset_path": "json",
                        "dataset_kwargs": {"data_files": {"test": str(file)}},
                        "test_split": "test",
                        "output_type": "multiple_choice",
                        "doc_to_text": "{{context}}",
                        "doc_to_choice": "options",
                        "doc_to_target": "gold",
                        "target_delimiter": " ",
                        "metric_list": [
                            {"metric": m, "aggregation": "mean"} for m in ("acc", "acc_norm")
                        ],
                    }
                )
            )
        found = lm_eval.simple_evaluate(harness, tasks=tasks, log_samples=True, bootstrap_iters=0)
    for name, result in found["results"].items():
        samples = sorted(found["samples"][name], key=lambda s: s["doc_id"])[:SHOWN]
        golden[name] = {
            "acc": result["acc,none"],
            "acc_norm": result["acc_norm,none"],
            "log_probs": [[float(r[0][0]) for r in s["resps"]] for s in samples],
        }
    return golden


if __name__ == "__main__":
    main()
