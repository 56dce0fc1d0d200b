"""Any published model by its name or folder: its revisions that tell a step are the checkpoints of one run."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import huggingface_hub  # noqa: E402

from emergence_stats.errors import CollectError, UsageError  # noqa: E402
from emergence_stats.traces.store import Store  # noqa: E402
from emergence_training.language.declare import suite_of  # noqa: E402
from emergence_training.suites import PUBLISHED  # noqa: E402
from tests.support import es, failed  # noqa: E402
from tests.training.language.models import publish  # noqa: E402

STEPS = (0, 4, 10)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("hub") / "models--lab--tiny-seed3", STEPS)


def renamed(published, folder, names):
    """The same checkpoints as sub-folders with other names, as trainers leave them."""
    folder.mkdir()
    for step, name in zip(STEPS, names, strict=True):
        commit = (published / "refs" / f"step{step}").read_text()
        (folder / name).symlink_to(published / "snapshots" / commit)
    return folder


def steps_of(suite):
    return [step for step, _ in suite.revisions]


def test_what_is_not_named_comes_from_the_repository(published, capsys):
    suite = suite_of(str(published))
    assert suite.run_id(suite.scales[0], *suite.seeds) == "lab-tiny-d16L2-s3"
    assert steps_of(suite) == list(STEPS)
    assert "3 checkpoints" in capsys.readouterr().err
    named = suite_of(str(published), suite="mine", scale="small", seed=1)
    assert named.run_id(named.scales[0], *named.seeds) == "mine-small-s1"


@pytest.mark.parametrize(
    ("names", "steps", "unit"),
    [
        (("checkpoint-0", "checkpoint-500", "checkpoint-1000"), [0, 500, 1000], "optimiser steps"),
        (("step0-tokens0B", "step10K-tokens2B", "step20K-tokens4B"), [0, 10_000, 20_000], "optimiser steps"),
        (("0B-tokens", "2B-tokens", "10B-tokens"), [0, 2 * 10**9, 10**10], "tokens"),
    ],
)  # fmt: skip
def test_steps_are_read_from_names(published, tmp_path, names, steps, unit):
    suite = suite_of(str(renamed(published, tmp_path / "run", names)))
    assert (steps_of(suite), suite.step_unit) == (steps, unit)


def test_revisions_that_tell_no_step_are_left_out_and_named(published, tmp_path, capsys):
    folder = renamed(published, tmp_path / "run", ("main", "step4", "step10"))
    assert steps_of(suite_of(str(folder))) == [4, 10]
    assert "other revisions are left out: main" in capsys.readouterr().err


def test_a_checkpoint_that_is_half_written_is_named(published, tmp_path, capsys):
    folder = renamed(published, tmp_path / "run", ("checkpoint-0", "checkpoint-4", "checkpoint-10"))
    (folder / "checkpoint-12").mkdir()
    (folder / "logs").mkdir()
    assert steps_of(suite_of(str(folder))) == [0, 4, 10]
    assert "without a config.json, and left out: checkpoint-12\n" in capsys.readouterr().err
    (folder / "checkpoint-12" / "adapter_config.json").write_text("{}")
    with pytest.raises(CollectError, match="checkpoint-12 has an adapter"):
        suite_of(str(folder))


def test_a_step_that_two_revisions_tell_has_to_be_chosen(published, tmp_path):
    folder = str(renamed(published, tmp_path / "run", ("step4", "checkpoint-4", "step10")))
    with pytest.raises(UsageError, match=r"checkpoint-4 and step4 .* --revisions"):
        suite_of(folder)
    assert steps_of(suite_of(folder, pattern="step*")) == [4, 10]
    with pytest.raises(UsageError, match=r"like 'x\*': it has checkpoint-4, step10, step4"):
        suite_of(folder, pattern="x*")


def test_a_folder_without_steps_or_checkpoints_is_an_error(published, tmp_path):
    with pytest.raises(UsageError, match=r"tells a step, .*: it has a, b, c"):
        suite_of(str(renamed(published, tmp_path / "run", ("a", "b", "c"))))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no revisions"):
        suite_of(str(tmp_path / "empty"))


def test_without_a_network_the_users_own_cache_is_taken_and_said(published, monkeypatch, capsys):
    def away(*_arguments, **_options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "list_repo_refs", away)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(published.parent))
    with pytest.raises(CollectError, match=r"revisions of lab/unknown cannot be had.*no route"):
        suite_of("lab/unknown")
    assert steps_of(suite_of("lab/tiny-seed3")) == list(STEPS)
    assert "the 3 revisions of lab/tiny-seed3 in the cache" in capsys.readouterr().err


def test_one_command_measures_a_model_of_ones_own(project, published, tmp_path):
    folder = renamed(published, tmp_path / "run", ("checkpoint-0", "checkpoint-4", "checkpoint-10"))
    done = es("collect", "--model", folder, "--suite", "mine", "--seed", 2, cwd=project)
    assert done.returncode == 0, done.stderr
    assert "estimated: 3 checkpoints" in done.stderr
    (run,) = Store.open(project / "data").runs
    assert (run.manifest.suite, run.manifest.scale, run.manifest.seed) == ("mine", "d16L2", 2)
    again = es("collect", "--model", folder, "--suite", "mine", "--seed", 2, cwd=project)
    assert "0 runs collected" in again.stdout


def test_options_that_do_not_fit_are_errors(project, published):
    model = ("collect", "--model", published)
    failed(es("collect", "--revisions", "x", cwd=project), "--model")
    failed(es(*model, "learns", cwd=project), "no hypothesis")
    failed(es(*model, "--suite", "pythia", cwd=project), "suite pythia is declared")
    failed(es(*model, "--seed", 1, "--seed", 2, cwd=project), "--seed")
    failed(es(*model, "--models", ".", cwd=project), "leave out --models")
    failed(es(*model, "--suite", "a/b", cwd=project), "a/b")


def test_polypythias_have_a_repository_for_each_seed(tmp_path):
    suite = PUBLISHED["polypythias"]
    scale = suite.scales[0]
    assert suite.repository(scale, 3) == "EleutherAI/pythia-14m-seed3"
    assert len(suite.scales) * len(suite.seeds) == 45
    (tmp_path / "models--EleutherAI--pythia-14m-seed3").mkdir()
    assert suite.at(tmp_path).repository(scale, 3).startswith(str(tmp_path))
    assert suite.at(tmp_path).repository(scale, 4) == "EleutherAI/pythia-14m-seed4"
