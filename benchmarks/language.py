"""What measuring a published checkpoint costs: models of Pythia's shapes with random weights, since time does not depend on them.

    python -m benchmarks.language [SCALE ...]

Each in a process of its own, one thread: written as a checkpoint, read back, hashed and measured on the seven probe sets, as
`collect --suite pythia` does. The tokenizer is the one that is trained here, whose tokens are shorter than Pythia's, so that
contexts are longer than there.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine
from emergence_training.suites import PUBLISHED, Published


def main(names: list[str]) -> None:
    print("# Cost of a published checkpoint\n")
    print(f"Printed by `python -m benchmarks.language`, on {machine()}, one thread.\n")
    print("| model | parameters | read and hashed, s | measured, s | largest memory, GB | tokens |")
    print("| --- | --- | --- | --- | --- | --- |")
    for scale in PUBLISHED["pythia"].scales:
        if names and scale.name not in names:
            continue
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.apply(row, (scale,)), flush=True)


def row(scale: Published) -> str:
    """A line of the table."""
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    from emergence_training.language.checkpoints import digest_of, load_model
    from emergence_training.language.encoding import encode_item
    from emergence_training.language.evaluation import Evaluation, rows_of_text
    from emergence_training.language.items import shipped_items
    from emergence_training.language.published import AT_A_TIME
    from emergence_training.language.scoring import Reader
    from emergence_training.language.trained import tokenizer

    torch.set_num_threads(1)
    config = GPTNeoXConfig(
        vocab_size=50_304,
        hidden_size=scale.width,
        num_hidden_layers=scale.layers,
        num_attention_heads=scale.width // 64,
        intermediate_size=4 * scale.width,
        bos_token_id=0,
        eos_token_id=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        GPTNeoXForCausalLM(config).half().save_pretrained(folder)
        began = time.monotonic()
        model = load_model(Path(folder), torch.device("cpu"))
        digest_of(model)
        read = time.monotonic() - began
    probes = {
        key: [encode_item(item, tokenizer.encode, 0) for item in some]
        for key, some in shipped_items().items()
    }
    text = [e.context for (name, _), some in probes.items() for e in some if name == "general"]
    device = torch.device("cpu")
    began = time.monotonic()
    Evaluation(probes, rows_of_text(text, device), device, AT_A_TIME).measure(Reader(model))
    measured = time.monotonic() - began
    tokens = sum(
        len(e.context) + sum(map(len, e.options)) for some in probes.values() for e in some
    )
    parameters = sum(p.numel() for p in model.parameters())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return (
        f"| {scale.name} | {parameters:,} | {read:.1f} | {measured:.1f} | {peak:.2f} | {tokens:,} |"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
