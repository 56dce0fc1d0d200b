"""The layout: data flows one way, nothing goes round in a circle, and no room is crowded."""

import ast
import sys
import tomllib
from itertools import pairwise

import pytest

import emergence_stats
from emergence_stats.__main__ import GUARDED
from tests.support import ROOT

PACKAGE = ROOT / "emergence_stats"
# A room may import from those above it; for types alone, from any.
FLOW = (
    "errors",
    "support",
    "core",
    "traces",
    "claims",
    "evaluation",
    "robustness",
    "audit",
    "reports",
    "interfaces",
)
MOST_ENTRIES = 12
MOST_LINES = 60


def modules(folder=PACKAGE, name="emergence_stats"):
    """Files by dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join((name, *(p for p in parts if p != "__init__")))] = path
    return found


def imports(path, name, known, at_run_time=True):
    """Names of `known` modules that a module imports; without those for types alone."""
    tree = ast.parse(path.read_text("utf-8"))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    skipped = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
        for node in ast.walk(test)
        if at_run_time
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join((*parts[: len(parts) - node.level + 1], *filter(None, [base])))
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in known else base


def room(name):
    """The room of a module of the package, None for what stands above all rooms."""
    parts = name.split(".")[1:]
    if not parts or parts[0] in ("__main__", "_moved"):
        return None
    return parts[0]


def test_no_modules_import_one_another_in_a_circle():
    known = {**modules(), **modules(ROOT / "training", "emergence_training")}
    graph = {
        name: set(imports(path, name, known, at_run_time=False)) & known.keys()
        for name, path in known.items()
    }
    graph = {name: targets - {name, "emergence_stats"} for name, targets in graph.items()}
    done, trail = set(), []

    def visit(name):
        if name in trail:
            pytest.fail(" -> ".join([*trail[trail.index(name) :], name]))
        if name in done:
            return
        trail.append(name)
        for target in sorted(graph[name]):
            if not target.startswith(name + "."):  # a package's face hands on its own names
                visit(target)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_data_flow_one_way_from_room_to_room():
    known = modules()
    back = []
    for name, path in known.items():
        here = room(name)
        if here is None or here == "recorder":
            continue
        for target in imports(path, name, known):
            there = room(target)
            if (
                target.startswith("emergence_stats.")
                and there in FLOW
                and FLOW.index(there) > FLOW.index(here)
            ):
                back.append(f"{name} -> {target}")
    assert back == []


def test_the_core_rests_on_little():
    """The standard library, numpy, scipy, `errors` and itself; rows of traces are pyarrow tables."""
    allowed = {"numpy", "scipy", *sys.stdlib_module_names}
    for name, path in modules(PACKAGE / "core", "core").items():
        tree = ast.parse(path.read_text("utf-8"))
        for_types = {
            id(node)
            for test in ast.walk(tree)
            if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
            for node in ast.walk(test)
        }
        for node in ast.walk(tree):
            if id(node) in for_types:
                continue
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                targets = [str(node.module)]
            else:
                continue
            for target in targets:
                own = (
                    target.startswith("emergence_stats.core") or target == "emergence_stats.errors"
                )
                rows = name == "core.runs" and target.partition(".")[0] == "pyarrow"
                assert own or rows or target.partition(".")[0] in allowed, f"{name} -> {target}"


def test_reports_are_given_their_values():
    """They import no module that estimates, finds events, or reads traces."""
    known = modules()
    computes = {name for name in known if name.startswith("emergence_stats.core.events")}
    computes |= {
        f"emergence_stats.{name}"
        for name in (
            "core.runs", "core.controls.changes",
            "traces.store", "evaluation.evaluate", "evaluation.units", "evaluation.judging.rules", "evaluation.judging.predictions",
            "robustness.explore", "robustness.simulate", "robustness.values",
        )
    }  # fmt: skip
    found = [
        f"{name} -> {target}"
        for name, path in known.items()
        if room(name) == "reports"
        for target in imports(path, name, known)
        if target in computes
    ]
    assert found == []


def test_the_analysis_and_the_backend_know_nothing_of_one_another():
    for name, path in modules().items():
        text = path.read_text("utf-8")
        if name != "emergence_stats.claims.backend":
            assert "import emergence_training" not in text, name
            assert "from emergence_training" not in text, name
    allowed = ("emergence_stats.errors", "emergence_stats.traces.", "emergence_stats.recorder")
    for name, path in modules(ROOT / "training", "emergence_training").items():
        if "._old." in name:
            continue
        for target in imports(path, name, modules()):
            if target.startswith("emergence_stats."):
                assert target.startswith(allowed), f"{name} -> {target}"


def test_every_command_that_imports_claims_is_watched():
    """A claim that ends the process would otherwise end a command with status 0."""
    imports_claims = {"load", "load_each", "evaluate", "one"}
    commands = set()
    for path in (PACKAGE / "interfaces" / "cli").glob("*.py"):
        functions = [
            node
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef)
        ]
        calls = {
            function.name: {
                ast.unparse(node.func).rpartition(".")[2]
                for node in ast.walk(function)
                if isinstance(node, ast.Call)
            }
            for function in functions
        }
        known = set(imports_claims)
        for _ in calls:  # and those that call a function that does
            known |= {name for name, called in calls.items() if called & known}
        commands |= {
            function.name.removesuffix("_")
            for function in functions
            if function.name in known
            and any(ast.unparse(d).startswith("app.command") for d in function.decorator_list)
        }
    assert {"audit", "collect", "test"} <= commands
    assert commands <= GUARDED


def test_no_private_name_is_imported_from_another_module():
    for name, path in {**modules(), **modules(ROOT / "training", "emergence_training")}.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                private = [
                    a.name for a in node.names if a.name.startswith("_") and a.name != "_moved"
                ]
                assert not private, f"{name} imports {private}"


@pytest.mark.parametrize("top", ["emergence_stats", "training", "tests"])
def test_no_folder_is_crowded(top):
    for folder in (ROOT / top, *(p for p in (ROOT / top).rglob("*") if p.is_dir())):
        if folder.name == "__pycache__" or folder == ROOT / "tests":
            continue
        entries = {
            p.name for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
        }
        if folder == PACKAGE:
            entries -= {"_moved.py", "__init__.py", "__main__.py"}
        assert len(entries) <= MOST_ENTRIES, f"{folder}: {sorted(entries)}"


def test_no_function_is_longer_than_a_page():
    """Lines of logic: without docstring and signature."""
    for name, path in {**modules(), **modules(ROOT / "training", "emergence_training")}.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert lines <= MOST_LINES, f"{name}.{node.name}: {lines} lines"


def test_public_names_are_complete_sorted_and_there():
    assert emergence_stats.__all__ == sorted(emergence_stats.__all__)
    for name in emergence_stats.__all__:
        assert getattr(emergence_stats, name) is not None
    assert set(emergence_stats.__all__) < set(dir(emergence_stats))


def test_every_package_is_installed():
    """A folder that the wheel lacks is noticed only where nobody has the repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    there = set()
    for folder, name in ((PACKAGE, "emergence_stats"), (ROOT / "training", "emergence_training")):
        for path in folder.rglob("__init__.py"):
            there.add(".".join((name, *path.parent.relative_to(folder).parts)))
    there.add("training")  # the old paths
    papers = (path for path in (ROOT / "hypotheses").glob("[!_.]*/") if list(path.glob("*.py")))
    there |= {
        "emergence_stats.shipped",
        *(f"emergence_stats.shipped.{path.name}" for path in papers),
    }
    assert set(project["tool"]["setuptools"]["packages"]) == there


def test_rooms_are_named_in_the_order_of_the_flow():
    """ARCHITECTURE.md says the same order as the test above."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    names = {"errors": "errors.py"}
    at = [text.index(f"\n    {names.get(room_, room_ + '/')}") for room_ in FLOW]
    assert all(before < after for before, after in pairwise(at))


def test_a_registration_dates_all_that_says_which_runs_a_store_has():
    """Code that moves out of a module that registrations date would be dated no longer."""
    from emergence_stats.claims.registration.plan import deciding_code

    known = modules()
    reached, wanted = set(), {"emergence_stats.traces.store"}
    while wanted:
        name = wanted.pop()
        reached.add(name)
        found = set(imports(known[name], name, known)) & known.keys()
        wanted |= {n for n in found if room(n) == "traces"} - reached
    dated = deciding_code()
    for name in reached - {"emergence_stats.traces"}:
        assert f"{name.replace('.', '/')}.py" in dated
