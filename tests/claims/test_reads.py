"""What the code of a claim reads besides its traces is part of its registration, or is refused."""

import json
import shutil
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emergence_stats.claims.registration import read_lock
from tests.support import edit, es, es_process, failed, fill, result_of

LIMIT = "json.loads((Path(__file__).parent / 'table.json').read_text())['limit']"
# What an estimate adds 0 times, so that its value stays.
READS = {
    "a file beside it": ("hypotheses/table.json", LIMIT),
    "a file in a folder of its own": (
        "hypotheses/tables/table.json",
        LIMIT.replace("'table.json'", "'tables' / 'table.json'"),
    ),
    "a file of the project": (
        "table.json",
        "float(np.loadtxt(Path(__file__).parents[1] / 'table.json'))",
    ),
    "a module by a computed name": (
        "hypotheses/_helper.py",
        "importlib.import_module('._hel' + 'per', __package__).limit",
    ),
    "a module that only exec knows": (
        "hypotheses/_helper.txt",
        "(exec((Path(__file__).parent / '_helper.txt').read_text(), found := {}), found['limit'])[1]",
    ),
    "a module of the search path": (
        "lib/aside.py",
        "(sys.path.insert(0, str(Path(__file__).parents[1] / 'lib')), __import__('as' + 'ide'))[1].limit",
    ),
}
CONTENTS = {"json": '{"limit": 0}', "py": "limit = 0\n", "txt": "limit = 0\n"}


def reading(project, what, early=False):
    """The claim with an estimate that reads; `early`: when the module is imported, not when it is called."""
    claim = project / "hypotheses" / "learns.py"
    imports = (
        "import importlib, json, os, socket, sqlite3, subprocess, sys, tempfile, zoneinfo\nimport numpy as np\n"
        "from concurrent.futures import ThreadPoolExecutor\nfrom pathlib import Path\n"
        "from emergence_stats.traces.store import Store\n"
    )
    edit(claim, "\n\ndef final", f"\n{imports}LIMIT = {what if early else 0}\n\n\ndef final")
    edit(claim, "return run", f"return 0 * {'LIMIT' if early else what} + run")
    return claim


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    sys.modules.pop("aside", None)


@pytest.mark.parametrize("early", [False, True], ids=["in the estimate", "at import"])
@pytest.mark.parametrize("what", READS)
def test_a_file_that_an_estimate_reads_is_frozen_with_it(project, what, early):
    fill(project, range(2))
    name, read = READS[what]
    file = project / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("0" if "loadtxt" in read else CONTENTS[name.rpartition(".")[2]])
    reading(project, read, early)
    assert es("register", "learns", cwd=project).returncode == 0
    sys.modules.pop("aside", None)
    assert list(read_lock(project / "hypotheses" / "learns.lock").latest["read"]) == [name]
    assert es("register", "--check", cwd=project).returncode == 0
    assert es("register", "learns", cwd=project).stdout.startswith("learns: already")

    fill(project, range(5, 9))
    sys.modules.pop("aside", None)
    assert result_of(es("test", "learns", "--json", cwd=project))["confirmatory"]
    file.write_text(file.read_text() + " ")
    done = es("register", "--check", cwd=project)
    assert (done.returncode, f"file {name}: changed" in done.stdout) == (1, True)
    sys.modules.pop("aside", None)
    result = result_of(es("test", "learns", "--json", cwd=project))
    assert (result["registration"], result["confirmatory"]) == ("amended", False)
    assert result["changes"] == [f"file {name}: changed"]
    file.unlink()
    sys.modules.pop("aside", None)
    done = es("register", "--check", cwd=project)
    if early:  # it cannot even be imported
        assert done.returncode == 2
    else:
        assert (done.returncode, f"file {name}: gone" in done.stdout) == (1, True)


LATER = "(run.seed > 4 and {})"


def test_a_file_that_is_read_only_after_the_registration_is_seen(project):
    fill(project, range(2))
    reading(project, LATER.format(READS["a file of the project"][1]))
    (project / "table.json").write_text("0")
    assert es("register", "learns", cwd=project).returncode == 0
    assert read_lock(project / "hypotheses" / "learns.lock").latest["read"] == {}
    fill(project, range(5, 9))
    result = result_of(es("test", "learns", "--json", cwd=project))
    assert (result["registration"], result["confirmatory"]) == ("amended", False)
    assert "file table.json: read by the code of the claim" in result["changes"][0]


@pytest.mark.parametrize("runs", [0, 2])
def test_a_file_beside_the_claim_may_be_read_only_when_there_are_runs(project, runs):
    """It is held from the beginning, so that a plan may be registered before there is any run."""
    fill(project, range(runs))
    reading(project, LATER.format(LIMIT))
    table = project / "hypotheses" / "table.json"
    table.write_text('{"limit": 0}')
    done = es("register", "learns", cwd=project)
    assert (done.returncode, "no estimate was tried" in done.stderr) == (0, runs == 0)
    fill(project, range(5, 9))
    assert result_of(es("test", "learns", "--json", cwd=project))["confirmatory"]
    assert es("register", "--check", cwd=project).returncode == 0
    table.write_text('{"limit": 0.0}')
    result = result_of(es("test", "learns", "--json", cwd=project))
    assert (result["changes"], result["confirmatory"]) == (
        ["file hypotheses/table.json: changed"],
        False,
    )


def test_a_file_that_only_a_control_reads_is_frozen(project):
    fill(project, range(2))
    claim = reading(project, f"(last > 1 and {READS['a file of the project'][1]})")
    edit(claim, "import Claim", "import Claim, with_options")
    edit(
        claim,
        "at_least(0.5))],",
        'at_least(0.5))],\n    controls=[with_options("two", "it shows", last=2)],',
    )
    (project / "table.json").write_text("0")
    assert es("register", "learns", cwd=project).returncode == 0
    assert list(read_lock(claim.with_suffix(".lock")).latest["read"]) == ["table.json"]


def test_line_ends_are_no_change(project):
    fill(project, range(2))
    table = project / "hypotheses" / "table.json"
    table.write_bytes(b'{"limit":\n0}')
    reading(project, LIMIT)
    assert es("register", "learns", cwd=project).returncode == 0
    table.write_bytes(b'{"limit":\r\n0}')
    assert es("register", "--check", cwd=project).returncode == 0
    fill(project, [5])
    assert result_of(es("test", "learns", "--json", cwd=project))["confirmatory"]


OWN_BUSINESS = {
    "a temporary folder": "len(tempfile.mkdtemp()) * 0",
    "a temporary file": "(lambda f: (f.write_text('a'), len(f.read_text()), f.unlink()))"
    "(Path(tempfile.mkdtemp()) / 'a')[1]",
    "the user's folder": "len(str(Path('~').expanduser()))",
    "a time zone": "len(str(zoneinfo.ZoneInfo('Europe/Berlin')))",
    "the machine": "len(__import__('platform').platform())",
    "statsmodels and pandas": "len(__import__('statsmodels.api').__name__ + __import__('pandas').__name__)",
    "a picture": "len(__import__('matplotlib.pyplot').__name__)",
}


@pytest.mark.parametrize("what", OWN_BUSINESS)
def test_what_libraries_read_for_themselves_is_not_the_claims(project, what):
    fill(project, range(2))
    reading(project, OWN_BUSINESS[what])
    done = es("register", "learns", cwd=project)
    said = [line for line in done.stderr.splitlines() if "declares no design" not in line]
    assert (done.returncode, said) == (0, [])
    assert read_lock(project / "hypotheses" / "learns.lock").latest["read"] == {}


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("len(os.environ.get('LIMIT', ''))", "the environment variable LIMIT"),
        ("('LIMIT' in os.environ)", "the environment variable LIMIT"),
        ("len(os.getenv('LIMIT') or '')", "the environment variable LIMIT"),
        ("(subprocess.run([sys.executable, '-c', '']).returncode)", "another program"),
        ("os.system('true')", "another program"),
        ("(socket.socket().connect_ex(('127.0.0.1', 9)) and 0)", "the network"),
        ("len(os.listdir(Path(__file__).parent))", "which files are in"),
        ("len([*Path(__file__).parent.glob('*.txt')])", "which files are in"),
        ("(sqlite3.connect('OUTSIDE').close() or 0)", "OUTSIDE"),
        ("len(Store.open(Path(__file__).parents[1] / 'data').runs)", "opens a trace store"),
        ("[*ThreadPoolExecutor(1).map(Path.read_text, [Path('OUTSIDE')])].count('')", "OUTSIDE"),
        ("len(Path('OUTSIDE').read_text())", "OUTSIDE"),
    ],
)
@pytest.mark.parametrize("early", [False, True], ids=["in the estimate", "at import"])
def test_what_no_digest_can_hold_is_refused(project, tmp_path, what, said, early):
    fill(project, range(2))
    outside = tmp_path / "outside.txt"
    outside.write_text("text")
    what, said = what.replace("OUTSIDE", str(outside)), said.replace("OUTSIDE", str(outside))
    claim = reading(project, what, early)
    done = es("register", "learns", cwd=project)
    assert done.returncode == 2
    assert said in done.stderr
    assert f"{claim}:" in done.stderr or "(in a thread)" in done.stderr  # and the line
    assert not claim.with_suffix(".lock").exists()


def test_claims_do_not_share_what_they_import(project):
    """One claim changes a helper that another imports; the other never sees it."""
    (project / "hypotheses" / "_shared.py").write_text("limit = 0.5\n")
    claim = project / "hypotheses" / "learns.py"
    edit(claim, "\n\ndef final", "\nfrom . import _shared\n\n\ndef final")
    edit(claim, "at_least(0.5)", "at_least(_shared.limit)")
    text = claim.read_text()
    changed = text.replace("\n\n\ndef", "\n_shared.limit = 9.0\n\n\ndef", 1)
    (project / "hypotheses" / "first.py").write_text(changed.replace("learns = ", "first = "))
    fill(project, range(4))
    done = es("report", "--all", "--json", cwd=project)
    verdicts = {r["name"]: r["verdict"] for r in json.loads(done.stdout)["results"]}
    assert verdicts == {"first": "refuted", "learns": "supported"}


def test_values_that_rest_on_a_file_are_not_kept(varied_project):
    """The cache knows the source and the runs; another table gives other values."""
    (varied_project / "hypotheses" / "table.json").write_text('{"limit": 0}')
    claim = varied_project / "hypotheses" / "learns.py"
    edit(claim, "\n\ndef final", "\nimport json\nfrom pathlib import Path\n\n\ndef final")
    edit(claim, "return run", f"return {LIMIT} + run")
    first = es("multiverse", "learns", "--json", cwd=varied_project)
    assert first.returncode == 0
    (varied_project / "hypotheses" / "table.json").write_text('{"limit": -1}')
    second = es("multiverse", "learns", "--json", cwd=varied_project)
    assert first.stdout != second.stdout


def test_compiled_code_stands_for_its_source(project, monkeypatch):
    """A module that was compiled before is read from ``__pycache__`` alone."""
    fill(project, range(2))
    name, read = READS["a module of the search path"]
    (project / "lib").mkdir()
    (project / name).write_text("limit = 0\n")
    reading(project, read)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for _ in range(2):
        assert es_process("test", "learns", cwd=project).returncode == 0
    assert list((project / "lib" / "__pycache__").iterdir())
    assert es_process("register", "learns", cwd=project).returncode == 0
    assert list(read_lock(project / "hypotheses" / "learns.lock").latest["read"]) == [name]
    shutil.rmtree(project / "lib" / "__pycache__")
    fill(project, [5])
    assert result_of(es_process("test", "learns", "--json", cwd=project))["confirmatory"]


def test_claims_that_share_a_cached_table_each_hold_it(project):
    """The helper is imported once for both, and only the first that asks reads the table."""
    (project / "lib").mkdir()
    (project / "lib" / "aside.py").write_text(
        "import functools, json\nfrom pathlib import Path\n\n\n@functools.cache\ndef limit():\n"
        "    return json.loads((Path(__file__).parent / 'table.json').read_text())\n"
    )
    (project / "lib" / "table.json").write_text("0")
    claim = reading(project, READS["a module of the search path"][1].replace(".limit", ".limit()"))
    second = project / "hypotheses" / "second.py"
    second.write_text(claim.read_text().replace("learns = ", "second = "))
    fill(project, range(2))
    assert es_process("register", "learns", "second", cwd=project).returncode == 0
    for path in (claim, second):
        held = read_lock(path.with_suffix(".lock")).latest["read"]
        assert list(held) == ["lib/aside.py", "lib/table.json"]
    fill(project, [5])
    done = es_process("report", "--all", "--json", cwd=project)
    assert [r["confirmatory"] for r in json.loads(done.stdout)["results"]] == [True, True]


def test_a_store_that_is_named_and_not_there_is_an_error(project):
    """A mistyped one would list no run as seen."""
    fill(project, range(2))
    failed(es("register", "learns", "--traces", "dtaa", cwd=project), "dtaa")
    assert not (project / "hypotheses" / "learns.lock").exists()


def test_a_file_beside_a_claim_that_is_read_in_c_is_noted_when_it_changes(project):
    """pyarrow opens files by itself, so that nothing tells who reads them."""
    table = project / "hypotheses" / "table.parquet"
    pq.write_table(pa.table({"limit": [0.0]}), table)
    reading(project, f"pq.read_table({str(table)!r}).column('limit')[0].as_py()")
    edit(
        project / "hypotheses" / "learns.py",
        "import importlib",
        "import pyarrow.parquet as pq, importlib",
    )
    fill(project, range(2))
    assert es("register", "learns", cwd=project).returncode == 0
    assert "beside" not in es("register", "--check", cwd=project).stdout
    pq.write_table(pa.table({"limit": [-9.0]}), table)
    done = es("register", "--check", cwd=project)
    assert "note: hypotheses/table.parquet, beside the claim, changed" in done.stdout
