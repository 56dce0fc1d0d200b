"""Results in a notebook: what is displayed, and the example that is shipped, executed."""

import nbformat
import pytest
from nbclient import NotebookClient

import emergence_stats as es
from tests.support import ROOT, add_run, edit

EXAMPLES = ROOT / "examples"


def test_the_example_runs_and_shows_a_verdict_with_a_picture():
    notebook = nbformat.read(EXAMPLES / "a_claim_in_a_notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # they would grow stale
    NotebookClient(
        notebook, resources={"metadata": {"path": str(EXAMPLES)}}, timeout=None
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    first = outputs[0]["data"]["text/html"]
    assert "top_down" in first
    assert "data:image/svg+xml" in first
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)


def test_a_result_is_a_table_a_picture_and_frames(project):
    for seed in range(4):
        add_run(project / "data", seed, tasks=("add", "mod"))
    result = es.test("learns")
    assert "final accuracy" in result._repr_html_()
    frame = result.units_frame()
    assert frame["unit"].tolist() == [f"sim-d32-s{seed}" for seed in range(4)]
    assert result.to_frame().loc[0, "estimate"] == pytest.approx(frame["value"].mean())
    (axes,) = result.plot().axes
    drawn = [text.get_text() for text in axes.texts]
    assert drawn == ["final accuracy"]


def test_a_multiverse_is_a_table_a_picture_and_a_frame(varied_project, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(varied_project / "cache"))
    found = es.multiverse("learns", jobs=1)
    assert str(found) == "learns: the claim is supported in 3 of 3 analyses (100%), refuted in 0"
    assert "3 of 3 analyses" in found._repr_html_()
    assert "data:image/svg+xml" in found._repr_html_()
    assert found.plot().axes
    frame = found.to_frame()
    assert frame["last"].tolist() == [1, 2, 5]
    assert frame.loc[0, "estimate"] == pytest.approx(
        es.test("learns").to_frame().loc[0, "estimate"]
    )
    assert set(frame["verdict"]) == {"supported"}
    with pytest.raises(es.EmergenceStatsError, match="final accuracy"):
        found.plot("nothing")


def test_power_is_a_table_a_picture_and_a_frame(varied_project):
    found = es.power("learns", draws=20, most=4)
    assert "data:image/svg+xml" in found._repr_html_()
    assert found.plot().axes
    frame = found.to_frame()
    assert frame["seeds"].tolist() == [2, 3, 4]
    assert frame[["supported", "refuted", "inconclusive"]].sum(axis=1).tolist() == [1.0] * 3
    with pytest.raises(es.EmergenceStatsError, match="2 seeds needed"):
        es.power("learns", most=1)


def test_strings_of_a_claim_are_escaped(project):
    module = project / "hypotheses" / "learns.py"
    edit(module, "Models learn", "<b>Models</b> learn")
    add_run(project / "data", 0, tasks=("add", "mod"))
    assert "&lt;b&gt;Models" in es.test("learns")._repr_html_()
