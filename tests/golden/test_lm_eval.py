"""The seven probe sets score as in lm-evaluation-harness."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from emergence_training.language.encoding import batches, encode_item, first_tokens  # noqa: E402
from emergence_training.language.evaluation import choices  # noqa: E402
from emergence_training.language.items import SETS  # noqa: E402
from emergence_training.language.scoring import Reader  # noqa: E402
from tests.golden import lm_eval as golden  # noqa: E402

HELD = json.loads(Path(__file__).with_name("lm_eval.json").read_text())


@pytest.fixture(scope="module")
def reader():
    return Reader(golden.model())


@pytest.mark.parametrize("way", ["bare", "begun"])
@pytest.mark.parametrize("name", SETS)
def test_same_numbers_on_the_same_model_and_items(name, way, reader):
    tokens, held = golden.words(begins=way == "begun"), HELD[way][name]

    def encode(text):
        return tokens.encode(text, add_special_tokens=False)

    probe = [encode_item(item, encode, 0, first_tokens(tokens)) for item in golden.by_set()[name]]
    scores = reader.score(probe, list(batches(probe, 32, torch.device("cpu"))))
    found = choices(probe, scores.log_probs)
    assert found["accuracy"] == pytest.approx(held["acc"], abs=1e-12)
    assert found["accuracy_norm"] == pytest.approx(held["acc_norm"], abs=1e-12)
    for ours, theirs in zip(scores.log_probs, held["log_probs"], strict=False):
        assert ours == pytest.approx(theirs, abs=1e-3)
