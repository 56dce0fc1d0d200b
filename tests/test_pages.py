"""Pages of the documentation that a reader can follow, followed."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
play = runpy.run_path(str(DOCS / "play.py"))["play"]


@pytest.mark.parametrize("name", ["tutorial.md"])
def test_a_reader_who_does_what_the_page_says_sees_what_it_shows(name, tmp_path):
    found = play((DOCS / name).read_text("utf-8"), tmp_path)
    assert found.different == []
    assert (tmp_path / "report.html").read_text("utf-8").count("<img ") >= 4


def test_a_page_that_shows_something_else_is_noticed(tmp_path):
    page = "```console\n$ echo one 1\none 2\n$ echo two\nthree\n```\n"
    found = play(page, tmp_path)
    assert len(found.different) == 1
    assert "--- shown\nthree" in found.different[0]
    assert found.text == "```console\n$ echo one 1\none 1\n$ echo two\ntwo\n```\n"


def test_a_command_that_fails_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="status 2"):
        play("```console\n$ ls /nothing/like/it\n```\n", tmp_path)
