"""Published checkpoints as traces: read from the hub's layout, one at a time, and none twice."""

import dataclasses
import json
import os
import re
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from emergence_stats.errors import CollectError  # noqa: E402
from emergence_stats.traces.store import Store  # noqa: E402
from emergence_training.engines.task import Task  # noqa: E402
from emergence_training.language import published  # noqa: E402
from emergence_training.language.checkpoints import (  # noqa: E402
    is_whole,
    load_model,
    load_tokenizer,
)
from emergence_training.language.items import Item  # noqa: E402
from emergence_training.suites import PUBLISHED, Published, PublishedSuite  # noqa: E402
from tests.support import edit, es, failed, fill  # noqa: E402
from tests.training.language.models import begun, capped, model, publish  # noqa: E402

STEPS = (0, 2, 8, 16, 24)
ITEMS = {
    ("syntax", 0): [
        Item("The key to the doors", (" is", " are"), 0),
        Item("The keys", (" is here", " are here"), 1),
        Item("Two ships", (" sail", " sails"), 0),
    ],
    ("general", 0): [
        Item("The cat sat on the", (" mat", " sea", " colour"), 0),
        Item("A ship sails the", (" dog", " sea"), 1),
    ],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    publish(folder / "models--lab--tiny", STEPS)
    publish(folder / "models--lab--again", STEPS, repeated={2: 0, 8: 24}, seed=1)
    return folder


def suite(steps=STEPS, name="tiny"):
    model = Published("tiny", f"lab/{name}", 16, 2, 20_000)
    return PublishedSuite("lab", (model,), tuple((s, f"step{s}") for s in steps), 64)


def task(store, hub, **options):
    declared = suite(**options).at(hub)
    return Task(str(store), declared, declared.scales[0], 0)


def rows(store):
    (run,) = Store.open(store).runs
    return Store.open(store).read(run), run.manifest


def test_each_checkpoint_is_measured_at_every_layer(tmp_path, hub):
    manifest = published.train(task(tmp_path, hub), items=ITEMS)
    table, _ = rows(tmp_path)
    frame = table.to_pandas()
    assert sorted(frame.step.unique()) == list(STEPS)
    ranks = frame[frame.measure == "rankme_centred"]
    assert set(map(tuple, ranks[["task", "level"]].drop_duplicates().to_numpy())) == set(ITEMS)
    assert sorted(ranks.layer.unique()) == [0, 1, 2, 3]
    loss = frame[(frame.measure == "loss") & frame.task.isna()].set_index("step").value
    assert loss[24] < loss[0] - 0.5  # of text that it was trained on
    assert len(set(manifest.further["checkpoints"].values())) == len(STEPS)
    assert manifest.n_params > 10_000


def test_a_run_that_was_killed_goes_on_and_gives_the_same_traces(tmp_path, hub):
    seen = []

    def die(step, _steps, _loss):
        seen.append(step)
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        published.train(task(tmp_path / "killed", hub), die, items=ITEMS)
    published.train(task(tmp_path / "killed", hub), lambda step, *_: seen.append(step), items=ITEMS)
    assert seen == list(STEPS)  # none is read twice
    published.train(task(tmp_path / "whole", hub), items=ITEMS)
    assert rows(tmp_path / "killed")[0].equals(rows(tmp_path / "whole")[0])


def test_how_a_model_is_read_is_said_and_in_its_manifest(tmp_path, hub, capsys):
    publish(tmp_path / "hub/models--lab--tiny", (0, 8), make=capped, words=begun())
    manifest = published.train(
        task(tmp_path / "store", tmp_path / "hub", steps=(0, 8)), items=ITEMS
    )
    assert manifest.further["by_rows"] == "it changes its scores after the output embedding"
    assert manifest.further["first_tokens"] == [0]
    assert capsys.readouterr().err.count("each option is read in a row of its own") == 1
    plain = published.train(task(tmp_path / "plain", hub), items=ITEMS)
    assert not {"by_rows", "first_tokens"} & set(plain.further)


def test_a_run_is_read_in_one_way(tmp_path, capsys, monkeypatch):
    """A cap that only the last checkpoint's scores come near to: those before are read again."""
    publish(tmp_path / "hub/models--lab--tiny", STEPS, make=capped)
    last = (tmp_path / "hub/models--lab--tiny/refs/step24").read_text()

    def louder(folder, device):
        net = load_model(folder, device)
        factor = 8.0 if folder.name == last else 1e-3  # tanh is the identity of so small ones
        net.model.norm.weight.data.add_(1).mul_(factor).sub_(1)
        return net

    monkeypatch.setattr(published, "load_model", louder)
    seen = []
    manifest = published.train(
        task(tmp_path / "store", tmp_path / "hub"), lambda step, *_: seen.append(step), items=ITEMS
    )
    assert seen == [*STEPS, *STEPS[:-1]]
    assert "those before again (4)" in capsys.readouterr().err
    assert "by_rows" in manifest.further
    assert list(manifest.further["checkpoints"]) == [f"step{s}" for s in STEPS]


def test_a_checkpoint_with_another_tokenizer_is_none_of_the_run(tmp_path):
    hub = tmp_path / "hub"
    publish(hub / "models--lab--tiny", (0, 8, 16))
    commit = (hub / "models--lab--tiny/refs/step8").read_text()
    begun().save_pretrained(hub / "models--lab--tiny/snapshots" / commit)
    with pytest.raises(CollectError, match="step8: its tokenizer makes other tokens"):
        published.train(task(tmp_path / "store", hub, steps=(0, 8, 16)), items=ITEMS)
    manifest = published.train(task(tmp_path / "store", hub, steps=(0, 16)), items=ITEMS)
    assert len(manifest.further["checkpoints"]) == 2


def test_what_is_measured_stays_when_fewer_revisions_are_wanted(tmp_path, hub):
    def die(step, *_):
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        published.train(task(tmp_path, hub), die, items=ITEMS)
    seen = []
    published.train(
        task(tmp_path, hub, steps=(0, 2, 16)), lambda s, *_: seen.append(s), items=ITEMS
    )
    assert seen == [16]
    assert sorted(rows(tmp_path)[0].column("step").unique().to_pylist()) == [0, 2, 16]


def test_the_norm_is_that_of_the_weights_that_were_saved(tmp_path, hub, monkeypatch):
    """Those of RWKV are changed by its first reading."""
    config = transformers.RwkvConfig(
        vocab_size=320, hidden_size=16, num_hidden_layers=2, rescale_every=1, context_length=64
    )
    net = transformers.RwkvForCausalLM(config).eval()
    before = torch.cat([p.detach().double().flatten() for p in net.parameters()]).norm()
    monkeypatch.setattr(published, "load_model", lambda *_: net)
    published.train(task(tmp_path, hub, steps=(0,)), items=ITEMS)
    after = torch.cat([p.detach().double().flatten() for p in net.parameters()]).norm()
    frame = rows(tmp_path)[0].to_pandas()
    found = frame[frame.measure == "weight_norm"].value.item()
    assert found == pytest.approx(float(before))
    assert found != pytest.approx(float(after))


def test_values_that_are_not_finite_are_named(tmp_path, hub, monkeypatch, capsys):
    def overflowing(folder, device):
        net = load_model(folder, device)
        net.get_output_embeddings().weight.data.fill_(3e38)
        return net

    monkeypatch.setattr(published, "load_model", overflowing)
    manifest = published.train(task(tmp_path, hub, steps=(0,)), items=ITEMS)
    assert "accuracy" in manifest.further["not_finite"]["step0"]
    assert (
        "values of step0 that are not finite are left out, of accuracy" in capsys.readouterr().err
    )


def test_a_tokenizer_of_another_model_is_an_error(tmp_path, hub, monkeypatch):
    monkeypatch.setattr(published, "load_model", lambda *_: model(vocabulary=100))
    with pytest.raises(CollectError, match=r"token \d+ of an item, and the model has 100 tokens"):
        published.train(task(tmp_path, hub, steps=(0,)), items=ITEMS)


def test_an_adapter_and_blocks_that_the_config_leaves_out_are_errors(tmp_path, hub):
    commit = (hub / "models--lab--tiny" / "refs" / "step8").read_text()
    folder = tmp_path / "copy"
    shutil.copytree(hub / "models--lab--tiny" / "snapshots" / commit, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    with pytest.raises(CollectError, match="the files have 2 blocks, and the config 1"):
        load_model(folder, torch.device("cpu"))
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(CollectError, match="has an adapter"):
        load_model(folder, torch.device("cpu"))


def test_checkpoints_that_repeat_are_left_out_and_named(tmp_path, hub, capsys):
    manifest = published.train(task(tmp_path, hub, name="again"), items=ITEMS)
    assert sorted(rows(tmp_path)[0].column("step").unique().to_pylist()) == [0, 16, 24]
    said = " ".join(manifest.further["left_out"].values())
    assert "step 2 has the weights of step 0" in said
    assert "step 8 has the weights of step 24" in said
    assert "2 checkpoints left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rename", "said"),
    [
        (lambda name: f"_orig_mod.{name}", "_orig_mod"),
        (lambda name: None if name.startswith("embed_out") else name, "lm_head|embed_out"),
        (lambda name: None if ".layers.1." in name else name, r"layers\.1"),
    ],
)
def test_weights_that_the_files_lack_are_an_error_and_not_random(tmp_path, hub, rename, said):
    commit = (hub / "models--lab--tiny" / "refs" / "step8").read_text()
    broken = tmp_path / "broken"
    shutil.copytree(hub / "models--lab--tiny" / "snapshots" / commit, broken)
    file = broken / "model.safetensors"
    weights = {rename(name): tensor for name, tensor in load_file(file).items()}
    weights.pop(None, None)
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(CollectError, match=f"(?s)the files lack .*({said})"):
        load_model(broken, torch.device("cpu"))


def test_what_is_measured_stays_when_the_models_are_moved(tmp_path, hub, monkeypatch):
    loaded = []

    def counted(folder, device):
        loaded.append(folder)
        if len(loaded) == 3:
            raise KeyboardInterrupt
        return load_model(folder, device)

    monkeypatch.setattr(published, "load_model", counted)
    with pytest.raises(KeyboardInterrupt):
        published.train(task(tmp_path / "store", hub), items=ITEMS)
    shutil.copytree(hub, tmp_path / "moved", symlinks=True)
    manifest = published.train(task(tmp_path / "store", tmp_path / "moved"), items=ITEMS)
    assert len(loaded) == 3 + 3  # two were measured before
    assert manifest.config["repository"] == "lab/tiny"
    assert manifest.further["folder"] == str(tmp_path / "moved" / "models--lab--tiny")


def test_a_model_that_was_trained_again_is_measured_again(tmp_path, hub, monkeypatch, capsys):
    """Its first steps were measured in a call that was killed: of them, one has other weights by now, and one was only copied."""
    folders = {}
    for step in STEPS:
        commit = (hub / "models--lab--tiny" / "refs" / f"step{step}").read_text()
        folders[step] = tmp_path / "models" / "tiny" / f"step{step}"
        shutil.copytree(hub / "models--lab--tiny" / "snapshots" / commit, folders[step])

    def die(step, *_):
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        published.train(task(tmp_path / "data", tmp_path / "models"), die, items=ITEMS)
    weights = {k: v * 1.5 for k, v in load_file(folders[2] / "model.safetensors").items()}
    save_file(weights, folders[2] / "model.safetensors", {"format": "pt"})
    (folders[0] / "model.safetensors").touch()
    capsys.readouterr()
    read = []
    measured = published._Run._read
    monkeypatch.setattr(
        published._Run, "_read", lambda run, model: read.append(1) or measured(run, model)
    )
    again = published.train(task(tmp_path / "data", tmp_path / "models"), items=ITEMS)
    assert len(read) == 3  # steps 2, 16 and 24
    said = capsys.readouterr().err
    assert "step2 has other weights than when it was measured, and is measured again" in said
    assert "step0 has other" not in said
    anew = published.train(task(tmp_path / "anew", tmp_path / "models"), items=ITEMS)
    assert again.further["checkpoints"] == anew.further["checkpoints"]
    assert rows(tmp_path / "data")[0].equals(rows(tmp_path / "anew")[0])


def test_weights_that_are_not_finite_by_now_take_the_old_readings_with_them(tmp_path, hub):
    folder = tmp_path / "models" / "tiny"
    for step in STEPS[:3]:
        commit = (hub / "models--lab--tiny" / "refs" / f"step{step}").read_text()
        shutil.copytree(hub / "models--lab--tiny" / "snapshots" / commit, folder / f"step{step}")

    def die(step, *_):
        if step == 2:
            raise KeyboardInterrupt

    some = {"steps": STEPS[:3]}
    with pytest.raises(KeyboardInterrupt):
        published.train(task(tmp_path / "data", tmp_path / "models", **some), die, items=ITEMS)
    file = folder / "step0" / "model.safetensors"
    save_file({k: v * np.nan for k, v in load_file(file).items()}, file, {"format": "pt"})
    passed = []
    manifest = published.train(
        task(tmp_path / "data", tmp_path / "models", **some),
        lambda step, *_: passed.append(step),
        items=ITEMS,
    )
    assert list(manifest.further["left_out"]) == ["step0"]
    assert sorted(manifest.further["checkpoints"]) == ["step2", "step8"]
    assert passed == [0, 8]  # one that is left out is passed too


def test_a_state_of_other_settings_is_not_dropped_without_a_word(tmp_path, hub, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(published, "repeats", stopped)
        with pytest.raises(KeyboardInterrupt):
            published.train(task(tmp_path, hub), items=ITEMS)
    others = {**ITEMS, ("syntax", 1): ITEMS["syntax", 0]}
    with pytest.warns(RuntimeWarning, match=r"begins anew.*\(items\)"):
        published.train(task(tmp_path, hub), items=others)


def test_a_cache_with_parts_of_a_model_is_not_taken_for_it(tmp_path, hub):
    commit = (hub / "models--lab--tiny" / "refs" / "step8").read_text()
    folder = tmp_path / "snapshot"
    shutil.copytree(hub / "models--lab--tiny" / "snapshots" / commit, folder)
    assert is_whole(folder)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert not is_whole(
        folder
    )  # weights alone, as of a revision whose tokenizer was asked of another
    (folder / "tokenizer.json").write_text("{}")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors").rename(folder / shards["a"])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert not is_whole(folder)
    shutil.copy(folder / shards["a"], folder / shards["b"])
    assert is_whole(folder)


def test_a_folder_without_a_tokenizer_is_named(tmp_path, hub):
    commit = (hub / "models--lab--tiny" / "refs" / "step8").read_text()
    folder = tmp_path / "snapshot"
    shutil.copytree(hub / "models--lab--tiny" / "snapshots" / commit, folder)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(CollectError, match="tokenizer"):
        load_tokenizer(folder)


def test_a_revision_that_does_not_exist_is_left_out_and_named(tmp_path, hub):
    manifest = published.train(task(tmp_path, hub, steps=(0, 5, 16)), items=ITEMS)
    assert "no revision step5" in manifest.further["left_out"]["step5"]
    with pytest.raises(CollectError, match="no checkpoint can be used"):
        published.train(task(tmp_path / "none", hub, steps=(5, 6)), items=ITEMS)


def test_a_folder_with_few_of_the_revisions_is_no_run_and_goes_on_when_there_are_more(
    tmp_path, hub
):
    few = tmp_path / "few"
    (few / "tiny").mkdir(parents=True)
    whole = hub / "models--lab--tiny"

    def add(step):
        commit = (whole / "refs" / f"step{step}").read_text()
        (few / "tiny" / f"step{step}").symlink_to(whole / "snapshots" / commit)

    for step in (0, 2):
        add(step)
    with pytest.raises(
        CollectError, match=r"has 2 of the 5 revisions .* lacks, among others, step8"
    ):
        published.train(task(tmp_path / "data", few), items=ITEMS)
    add(8)
    steps = []
    published.train(
        task(tmp_path / "data", few),
        lambda step, _, loss: steps.append((step, bool(np.isfinite(loss)))),
        items=ITEMS,
    )
    assert steps == [(8, True), (16, False), (24, False)]  # what was measured is kept
    assert sorted(rows(tmp_path / "data")[0].column("step").unique().to_pylist()) == [0, 2, 8]


def test_weights_that_are_not_finite_are_left_out_and_named(tmp_path, hub, monkeypatch, capsys):
    load = published.load_model

    def damaged(folder, device):
        model = load(folder, device)
        if folder.name == (hub / "models--lab--tiny" / "refs" / "step8").read_text():
            next(model.parameters()).data[0, 0] = torch.nan
        return model

    monkeypatch.setattr(published, "load_model", damaged)
    manifest = published.train(task(tmp_path, hub), items=ITEMS)
    assert manifest.further["left_out"] == {"step8": "step8 has weights that are not finite"}
    assert sorted(rows(tmp_path)[0].column("step").unique().to_pylist()) == [0, 2, 16, 24]
    assert "1 checkpoints left out: step8 has weights" in capsys.readouterr().err


def test_without_a_network_one_error_says_what_to_do(tmp_path, monkeypatch):
    import huggingface_hub

    class ConnectError(Exception):
        """Of a library that this project does not know."""

    def away(*_args, **_options):
        raise ConnectError("Network is unreachable")

    monkeypatch.setattr(huggingface_hub, "list_repo_files", away)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CollectError, match=r"step0 of lab/absent .* unreachable.*--models"):
        published.train(task(tmp_path, tmp_path, name="absent"), items=ITEMS)
    assert not list(tmp_path.glob("*/*.json"))


def test_what_was_fetched_is_removed_once_it_is_measured(tmp_path, hub, monkeypatch):
    import shutil

    import huggingface_hub

    fetched = []

    def download(_repository, *, revision, cache_dir=None, local_files_only=False, **_options):
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not here")
        commit = (hub / "models--lab--tiny" / "refs" / revision).read_text()
        assert not cache_dir.exists()  # one at a time
        shutil.copytree(hub / "models--lab--tiny" / "snapshots" / commit, cache_dir)
        fetched.append(cache_dir)
        return str(cache_dir)

    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda *_a, **_k: ["model.safetensors"])
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    published.train(task(tmp_path, tmp_path), items=ITEMS)
    assert len(fetched) == len(STEPS)
    assert not any(folder.exists() for folder in fetched)


def test_a_repeated_step_is_kept_only_where_it_is_known():
    assert published.repeats({0: "a", 1: "a", 2: "b", 3: "c"}).keys() == {1}
    assert published.repeats({0: "a", 1: "b", 2: "c", 3: "c"}).keys() == {2}
    assert published.repeats({0: "a", 1: "b", 2: "b", 3: "c"}).keys() == {1, 2}
    assert published.repeats({0: "a", 1: "a"}).keys() == {0, 1}
    assert published.repeats({0: "a", 1: "b", 2: "c", 3: "c"}, last=4).keys() == {2, 3}
    assert published.repeats({}) == {}


def test_other_items_are_other_traces(tmp_path, hub):
    config = published.train(task(tmp_path / "a", hub), items=ITEMS).config
    fewer = {("syntax", 0): ITEMS["syntax", 0], ("general", 0): ITEMS["general", 0][:1]}
    assert (
        published.train(task(tmp_path / "b", hub), items=fewer).config["items"] != config["items"]
    )


def test_memory_is_that_of_one_checkpoint(tmp_path, hub, monkeypatch):
    import gc
    import weakref

    alive = []
    load = published.load_model

    def watched(folder, device):
        gc.collect()
        assert not [ref for ref in alive if ref() is not None]
        model = load(folder, device)
        alive.append(weakref.ref(model))
        return model

    monkeypatch.setattr(published, "load_model", watched)
    published.train(task(tmp_path, hub), items=ITEMS)
    assert len(alive) == len(STEPS)


def test_all_of_a_suite_is_in_its_config():
    model = suite().scales[0]
    config = suite().config(model, 0)
    assert config["repository"] == "lab/tiny"
    assert config["revisions"]["step8"] == 8
    assert dataclasses.replace(suite(), tokens_a_step=1).config(model, 0) != config
    assert np.isfinite(suite().memory(model))


def test_another_model_than_the_suite_declares_is_refused(tmp_path, hub):
    wrong = task(tmp_path, hub)
    declared = dataclasses.replace(wrong.scale, layers=3)
    with pytest.raises(CollectError, match=r"2 blocks of width 16, and tiny has 3 of 16"):
        published.train(dataclasses.replace(wrong, scale=declared), items=ITEMS)


@pytest.fixture
def declared(monkeypatch):
    """Suite `pythia` with a model that is small enough for a test, and few revisions."""
    model = Published("160m", "EleutherAI/pythia-160m", 16, 2, 20_000)
    tiny = dataclasses.replace(suite(), name="pythia", scales=(model,))
    monkeypatch.setitem(PUBLISHED, "pythia", tiny)


def test_one_command_collects_a_model(project, hub, declared):
    (project / "models").mkdir()
    (project / "models" / "models--EleutherAI--pythia-160m").symlink_to(hub / "models--lab--tiny")
    command = ("collect", "--suite", "pythia", "--scale", "160m", "--models", "models")
    done = es(*command, cwd=project)
    assert done.returncode == 0, done.stderr
    ((_, manifest),) = [rows(project / "data")]
    assert (manifest.suite, manifest.scale) == ("pythia", "160m")
    assert es(*command, cwd=project).returncode == 0  # nothing to do
    assert "learns" in es("test", "learns", cwd=project).stdout


def test_a_run_whose_checkpoints_changed_since_is_named(project, hub):
    folder = project / "models" / "mine"
    for step in STEPS[:2]:
        commit = (hub / "models--lab--tiny" / "refs" / f"step{step}").read_text()
        shutil.copytree(hub / "models--lab--tiny" / "snapshots" / commit, folder / f"step{step}")
    command = ("collect", "--model", "models/mine")
    assert es(*command, cwd=project).returncode == 0
    again = es(*command, cwd=project)
    assert (again.returncode, "warning" in again.stderr) == (0, False)
    file = folder / "step2" / "model.safetensors"
    later = file.stat().st_mtime + 3600
    os.utime(file, (later, later))
    said = es(*command, cwd=project).stderr
    assert "files of 1 of its checkpoints (step2) changed since it was made" in said
    assert "traces rm mine-" in said


def test_options_that_do_not_fit_a_suite_are_errors(project, declared):
    failed(
        es("collect", "--suite", "smoke", "--models", ".", cwd=project), "--models", "smoke is none"
    )
    failed(
        es("collect", "--suite", "pythia", "--corpus", ".", cwd=project),
        "--corpus",
        "pythia is none",
    )
    failed(
        es("collect", "--suite", "pythia", "--models", "nowhere", cwd=project),
        "there is no such folder",
    )
    failed(es("collect", "--suite", "pythia", "--together", "2", cwd=project), "--together")
    failed(
        es("collect", "--suite", "pythia", "--seed", "7", cwd=project), "no seed 7", "with seeds 0"
    )
    failed(
        es("collect", "--suite", "pythia", "--scale", "70m", cwd=project), "no scale '70m'", "160m"
    )


def test_a_plan_says_time_memory_and_download(project):
    claim = project / "hypotheses" / "learns.py"
    edit(claim, "import Claim", "import Claim, Design")
    edit(claim, "(0.5))],", '(0.5))],\n    design=Design("pythia", ("160m", "2.8b"), (0,)),')
    fill(project, range(1))
    said = es("plan", "learns", cwd=project).stdout
    assert re.search(
        r"160m .*\n.*154 checkpoints, [\d.]+ hours of one core, [\d.]+ GB of memory, 50 GB to fetch, 0\.3 GB",
        said,
    )
    plan = json.loads(es("plan", "learns", "--json", cwd=project).stdout)
    small, large = (plan["published"][scale] for scale in ("160m", "2.8b"))
    assert large["hours"] > 10 * small["hours"]
    failed(es("plan", "learns", "--device", "cuda", cwd=project), "pythia has language models")
