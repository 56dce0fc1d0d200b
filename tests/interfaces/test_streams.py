"""What is printed reaches every kind of stream: of any encoding, closed early, or closed from the start."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.support import HYPOTHESIS, edited, es, fill

PROGRAM = f"{sys.executable} -m emergence_stats"


@pytest.fixture
def wide(project):
    """A project whose claim has characters that few encodings have."""
    text = edited(HYPOTHESIS, "Models learn the tasks.", "Accuracy ≥ ½ is “high”.")
    text = edited(text, '"final accuracy"', '"Δ final"')
    text = edited(text, "    predictions=", '    multiverse={"last": [1, 2]},\n    predictions=')
    (project / "hypotheses" / "learns.py").write_text(text, "utf-8")
    fill(project, range(4))
    return project


def shell(command):
    done = subprocess.run(["bash", "-c", command], capture_output=True)
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16"])
def test_a_character_that_a_stream_lacks_is_replaced(wide, encoding):
    for words in ("test learns -v", "report --all"):
        done = shell(f"PYTHONIOENCODING={encoding} {PROGRAM} {words}")
        assert done.returncode == 0, done.stderr
        shown = done.stdout.decode(encoding)
        assert ("Δ" if encoding == "utf-16" else "? final") in shown


def test_every_command_prints_to_ascii(wide):
    assert es("check", "--update").returncode == 0
    for words in (
        "list", "describe learns", "describe learns --format markdown", "audit", "check", "register learns", "report --format markdown --all",
        "multiverse learns -v --no-cache --jobs 1", "power learns --draws 10 --most 3", "traces ls",
    ):  # fmt: skip
        done = shell(f"PYTHONIOENCODING=ascii {PROGRAM} {words}")
        assert done.returncode in (0, 1, 3), (words, done.stderr)
        done.stdout.decode("ascii")
    done = shell(f"PYTHONIOENCODING=ascii {PROGRAM} test lärns")
    assert (done.returncode, done.stdout) == (2, b"")
    done.stderr.decode("ascii")


def test_json_html_and_xml_lose_nothing(wide):
    done = shell(f"PYTHONIOENCODING=ascii {PROGRAM} test learns --json")
    assert json.loads(done.stdout)["results"][0]["claim"] == "Accuracy ≥ ½ is “high”."
    done = shell(f"PYTHONIOENCODING=cp1252 {PROGRAM} report --all --format junit")
    assert "Δ final" in ET.fromstring(done.stdout.decode("utf-8")).find(".//system-out").text
    done = shell(f"PYTHONIOENCODING=cp1252 {PROGRAM} report --all --format html")
    assert b"&#916; final" in done.stdout
    assert not done.stdout.translate(None, bytes(range(128)))


@pytest.mark.parametrize(
    "words", ["test learns -v", "traces ls", "report --json --all", "--help", "list"]
)
def test_a_closed_pipe_ends_with_the_status_for_it(wide, words):
    """Not with 1, which would read as refuted."""
    done = shell(f"{PROGRAM} {words} | sleep 0; echo ${{PIPESTATUS[0]}}")
    assert done.stdout == b"141\n"
    assert done.stderr == b""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_stream_that_was_never_open_is_no_fault(wide, closed):
    for words in ("test learns", "traces ls"):
        done = shell(f"{PROGRAM} {words} {closed}; echo $?")
        assert done.stdout.endswith(b"0\n")
        assert done.stderr == b""
