"""The report in a browser: made once for each state of claims and store, for this machine alone."""

import http.client
import threading
from contextlib import contextmanager

import pytest

from emergence_stats.interfaces.viewing import Pages, make_page, server, state_of
from tests.support import add_run, es, failed, fill


@contextmanager
def serving(pages):
    running = server(pages, 0)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running.server_port
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def get(port, path="/", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_a_page_is_made_once_for_each_state():
    made, states = [], ["a"]

    def make():
        made.append(states[0])
        return f"<html><body>{states[0]}</body></html>"

    with serving(Pages(make, lambda: states[0])) as port:
        assert "<body>a<script>" in get(port)[1]
        get(port)
        assert made == ["a"]
        assert get(port, "/state")[1] == "a"
        states[0] = "b"
        assert "<body>b<script>" in get(port)[1]
    assert made == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/", "evil.example", 403),
        ("/", "evil.example:80", 403),
        ("/state", "evil.example", 403),
        ("/../etc/passwd", None, 404),
        ("/", "localhost", 200),
    ],
)
def test_only_this_machine_is_answered_and_only_with_the_page(path, host, status):
    with serving(Pages(lambda: "<body></body>", lambda: "a")) as port:
        assert get(port, path, host)[0] == status


def test_the_state_is_that_of_claims_settings_and_runs(project):
    fill(project, range(2))
    states = [state_of(project, project / "hypotheses", str(project / "data"))]

    def changed():
        states.append(state_of(project, project / "hypotheses", str(project / "data")))
        return states[-1] != states[-2]

    assert not changed()
    add_run(project / "data", 9, tasks=("add",))
    assert changed()
    (project / "hypotheses" / "_help.py").write_text("X = 1\n")
    assert changed()
    (project / "pyproject.toml").write_text("[tool.emergence_stats]\njobs = 1\n")
    assert changed()
    (project / "hypotheses" / "meaning.toml").write_text("")
    assert changed()
    (project / "hypotheses" / "table.csv").write_text("what a claim reads")
    assert changed()
    (project / "notes.txt").write_text("x")
    assert not changed()


def test_the_page_is_that_of_report_and_an_error_is_a_page_too(project):
    fill(project, range(4))
    page = make_page(["learns"], project)
    assert "<h1" in page
    assert "learns" in page
    wrong = make_page(["lerns"], project)
    assert "did you mean &#x27;learns&#x27;" in wrong
    assert "exit status 2" in wrong


def test_what_is_mistyped_is_said_before_anything_is_served(project):
    fill(project, range(2))
    failed(es("view", "lerns"), "did you mean 'learns'")
    failed(es("view", "--traces", "nowhere"), "no trace store")
