"""Pages of the documentation that a reader can follow, followed."""

import os
import re
import runpy
import shlex
import subprocess
import sys

import pytest

from tests.support import ROOT

DOCS = ROOT / "docs"
play = runpy.run_path(str(DOCS / "play.py"))["play"]


@pytest.mark.parametrize("name", ["tutorial.md"])
def test_a_reader_who_does_what_the_page_says_sees_what_it_shows(name, tmp_path):
    found = play((DOCS / name).read_text("utf-8"), tmp_path)
    assert found.different == []
    assert (tmp_path / "report.html").read_text("utf-8").count('<svg class="chart"') >= 3


def test_a_page_that_shows_something_else_is_noticed(tmp_path):
    page = "```console\n$ echo one 1\none 2\n$ echo two\nthree\n```\n"
    found = play(page, tmp_path)
    assert len(found.different) == 1
    assert "--- shown\nthree" in found.different[0]
    assert found.text == "```console\n$ echo one 1\none 1\n$ echo two\ntwo\n```\n"


def test_a_command_that_fails_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="status 2"):
        play("```console\n$ ls /nothing/like/it\n```\n", tmp_path)


# --- the site, and every command line in it ---------------------------------------------------

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
OPTIONAL = re.compile(r"\s+#.*$|\s*(?:\||&&|>|;).*$")


def command_lines():
    """Every command line of ours that a page shows, with the page."""
    for page in PAGES:
        for line in page.read_text("utf-8").splitlines():
            shown = re.match(r"^(?:    |\$ |    \$ )(emergence-stats .*)$", line)
            if shown and "[OPTIONS]" not in shown[1]:  # a line of usage
                yield page.name, OPTIONAL.sub("", shown[1]).rstrip("\\ ")


def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert not re.search(
        r'(?:src|href)="https?://(?!arxiv\.org|squidfunk|github)[^"]*\.(?:js|css)', index
    )


def test_every_command_line_that_is_shown_can_be_given():
    import click
    from typer.main import get_command

    from emergence_stats.interfaces.cli import app

    program = get_command(app)
    lines = list(command_lines())
    assert len(lines) > 20
    for page, line in lines:
        words = [word for word in shlex.split(line)[1:] if word not in ("...", "[NAME]")]
        if not words or words[0].startswith("--"):
            continue  # of the program itself
        command, context = program, click.Context(program, info_name="emergence-stats")
        try:
            while isinstance(command, click.Group) and words:
                name, command, words = command.resolve_command(context, words)
                context = click.Context(command, info_name=name, parent=context)
            with context:
                command.parse_args(context, list(words))
        except click.UsageError as error:
            raise AssertionError(f"{page}: {line}: {error.format_message()}") from None
        except click.exceptions.Exit:
            continue


def test_the_reference_has_every_public_name_once():
    import emergence_stats as es

    text = (DOCS / "reference" / "python.md").read_text("utf-8")
    shown = re.findall(r"^::: emergence_stats\.(\S+)$", text, re.MULTILINE)
    wanted = {f"{es.MODULES[name]}.{name}" for name in es.__all__}
    assert sorted(set(shown) - {"recorder.recorder.Recorder"}) == sorted(wanted)
    assert len(shown) == len(set(shown))


@pytest.mark.parametrize("page", ["gallery.md", "reference/cli.md"])
def test_what_is_drawn_from_the_package_is_of_this_package(page):
    filled = runpy.run_path(str(DOCS / "fill.py"))["filled"]
    text = (DOCS / page).read_text("utf-8")
    assert filled(text, True) == text
