"""Files that several processes change, a cache that somebody poisons, and a power cut."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from emergence_stats.claims.project import Project
from emergence_stats.evaluation import recorded
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.robustness.cache import ValueCache
from emergence_stats.robustness.explore import explore
from emergence_stats.robustness.recorded import record_multiverse
from emergence_stats.support.files import only_one, write_whole
from emergence_stats.traces.store import Store
from tests.support import HYPOTHESIS, edited, es, fill

WRITERS, TIMES = 6, 8


def in_processes(work, *arguments):
    """`work(number, *arguments)` in several processes at once; all of them must succeed."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=(n, *arguments)) for n in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * WRITERS


def _count_up(number, path):
    for _ in range(TIMES):
        with only_one(path.parent):
            value = json.loads(path.read_text())
            write_whole(path, json.dumps(value + 1))


def test_changes_of_several_processes_are_all_there(tmp_path):
    path = tmp_path / "count.json"
    path.write_text("0")
    in_processes(_count_up, path)
    assert json.loads(path.read_text()) == WRITERS * TIMES
    assert [p.name for p in tmp_path.iterdir()] == ["count.json"]


def _write(number, path):
    for _ in range(TIMES):
        write_whole(path, f"{number}" * 10_000)


def test_writers_of_one_file_at_the_same_time_do_not_disturb_one_another(tmp_path):
    path = tmp_path / "file.txt"
    in_processes(_write, path)
    text = path.read_text()
    assert text == text[0] * 10_000
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def _record(number, root):
    project, store = Project(root), Store.open(root / "data")
    record_multiverse(project, store, explore(project, f"claim{number}", store, processes=1))
    results = evaluate([project.load(f"claim{n}") for n in range(WRITERS)], store)
    recorded.write(project.folder / "verdicts.lock", results)


def test_records_of_several_processes_are_all_there(project):
    text = edited(
        HYPOTHESIS, "    predictions=", '    multiverse={"last": [1, 2]},\n    predictions='
    )
    (project / "hypotheses" / "learns.py").unlink()
    for number in range(WRITERS):
        (project / "hypotheses" / f"claim{number}.py").write_text(text)
    fill(project, range(2))
    in_processes(_record, project)
    names = {f"claim{number}" for number in range(WRITERS)}
    records = json.loads((project / "hypotheses" / "robustness.lock").read_text())["robustness"]
    assert records.keys() == names
    verdicts = json.loads((project / "hypotheses" / "verdicts.lock").read_text())["verdicts"]
    assert verdicts.keys() == names


def test_a_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    path.chmod(0o640)
    write_whole(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640


# --- the value cache --------------------------------------------------------------------------


def poison(cache):
    files = list(Path(cache).rglob("*.json"))
    assert files
    for path in files:
        values = json.loads(path.read_text())
        path.write_text(json.dumps(dict.fromkeys(values, 0.123)))


def test_a_record_never_rests_on_the_cache(varied_project, tmp_path):
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    clean = es("multiverse", "learns", "--jobs", 1, "--json", cwd=varied_project, **environment)
    poison(tmp_path / "cache")
    command = ("multiverse", "learns", "--jobs", 1, "--json")
    poisoned = es(*command, cwd=varied_project, **environment)
    assert poisoned.stdout != clean.stdout  # whoever can write the user's files can lie to the user
    again = es(*command, "--record", cwd=varied_project, **environment)
    assert again.stdout == clean.stdout, again.stderr


@pytest.mark.parametrize(
    "kept", [[3, 2], [1, 0], [-1, 2], "0.5", [1, 2, 3], {"a": 1}, float("nan"), True]
)
def test_what_no_estimate_could_have_given_is_computed_again(tmp_path, kept):
    cache = ValueCache(tmp_path / "cache", {})
    cache.write(["run"], {"request": 0.5})
    (path,) = (tmp_path / "cache").rglob("*.json")
    path.write_text(json.dumps({"request": kept}))
    assert cache.read(["run"]) == {}


def test_a_cache_that_others_can_write_to_is_not_used(tmp_path):
    folder = tmp_path / "cache"
    ValueCache(folder, {}).write(["run"], {"request": 0.5})
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o777)
    assert ValueCache(folder, {}).read(["run"]) == {}
    folder.chmod(0o700)
    assert ValueCache(folder, {}).read(["run"]) == {"request": 0.5}
    if hasattr(os, "getuid") and os.getuid() == 0:
        os.chown(folder, 12345, -1)
        assert ValueCache(folder, {}).read(["run"]) == {}
