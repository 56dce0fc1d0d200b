"""Why a run gives no value: what the estimate asked for, what is there, and what to do."""

import pytest

from tests.support import HYPOTHESIS, edit, edited, es, failed, fill, result_of

READS = 'run.traces("accuracy").values[:, -last:].mean()'


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (
            'run.traces("loss").values.mean()',
            ("reads 'loss'", "measures that it needs (accuracy)", "add it to es.Needs(measures=[...])"),
        ),
        (
            'run.traces("accuracy", tasks=False).values.mean()',
            ("'accuracy' of tasks alone", "the whole model"),
        ),
        (
            'run.traces("accuracy", layers="blocks").values.mean()',
            ("of no layer, but of the whole model", "layers 'blocks' of its 4 blocks"),
        ),
    ],
)  # fmt: skip
def test_what_an_estimate_asked_for_in_vain_is_said_with_what_is_there(project, estimate, words):
    (project / "hypotheses" / "learns.py").write_text(edited(HYPOTHESIS, READS, estimate))
    fill(project, range(2))
    done = es("test", "learns", "--json")
    assert done.returncode == 3, done.stderr
    for word in words:
        assert word in result_of(done)["reason"]


def test_events_of_tasks_in_a_measure_of_the_whole_model(project):
    """A table without a column of tasks is one of the whole model."""
    (project / "t.csv").write_text(
        "run,step,accuracy\n"
        + "".join(f"r{run},{step},0.{step}\n" for run in range(2) for step in range(9))
    )
    module = edited(HYPOTHESIS, READS, "emergence(run).hi.mean()")
    module = edited(module, "import Claim", "import emergence, Claim")
    (project / "hypotheses" / "learns.py").write_text(module)
    made = ("--set", "n_params=1k", "--measure", "accuracy=accuracy")
    assert es("traces", "import", "t.csv", "--suite", "a", *made).returncode == 0
    reason = result_of(es("test", "learns", "--json"))["reason"]
    assert "r0 has 'accuracy' of the whole model alone" in reason
    assert "--set task=NAME" in reason
    assert (
        es(
            "traces", "import", "t.csv", "--suite", "a", "--replace", *made, "--set", "task=all"
        ).returncode
        == 0
    )
    assert "'accuracy'" not in result_of(es("test", "learns", "--json"))["reason"]


def test_a_claim_about_the_last_block_says_where_it_looks(project):
    edit(
        project / "hypotheses" / "learns.py",
        'measures=["accuracy"]',
        'measures=["llc"], layers="final"',
    )
    fill(project, range(2))
    reason = result_of(es("test", "learns", "--json"))["reason"]
    assert "lacks llc of the whole model or at the last block (4 in all)" in reason


def test_a_share_of_what_is_no_count_says_what_to_return(project):
    module = edited(HYPOTHESIS, READS, f"bool({READS} > 0.5)")
    module = edited(module, "import Claim", "import Claim, Share")
    module = edited(module, "at_least(0.5))]", "at_least(0.5), Share())]")
    (project / "hypotheses" / "learns.py").write_text(module)
    fill(project, range(4))
    (prediction,) = result_of(es("test", "learns", "--json"))["predictions"]
    assert [(one["value"], one["trials"]) for one in prediction["values"]] == [(1.0, 1.0)] * 4
    (project / "hypotheses" / "learns.py").write_text(edited(module, "bool(", "float("))
    failed(es("test", "learns"), "gave 1.0", "es.Count(successes, trials)", "es.Mean((0.0, 1.0))")


def test_an_effect_is_shown_with_its_kind_and_the_legend_once(project):
    fill(project, range(4))
    text = edited(HYPOTHESIS, READS, f"bool({READS} > 0.5)")
    text = edited(text, "import Claim", "import Claim, Share")
    (project / "hypotheses" / "share.py").write_text(
        edited(text, "at_least(0.5))]", "at_least(0.5), Share())]")
    )
    shown = es("test").stdout
    rows = [line for line in shown.splitlines() if line.startswith("final accuracy")]
    assert [" SD " in row for row in rows] == [True, False]
    assert [" h " in row for row in rows] == [False, True]
    assert shown.count("# claim region") == 1
