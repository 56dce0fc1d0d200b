"""Do what a page of the documentation tells its reader, in an empty folder, and put down what came out.

    python docs/play.py docs/tutorial.md            runs it and writes what was printed into the page
    python docs/play.py --into bits docs/tutorial.md    and leaves the folder
    python docs/play.py --check docs/tutorial.md    exit status 1 where something else is printed

A fenced block whose first line is ```` ```python FILE ```` (or toml, yaml) is written to that file. In a block
```` ```console ```` each line after ``$`` is run by a shell, and what it prints is shown below it. Numbers may
differ from machine to machine and are not compared, nor is what is shown as ``...``. A picture ``pictures/NAME`` that the page
shows, where a command drew a file of that name, is taken over from there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_READER = {  # git asks who commits
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Reader"), ("EMAIL", "reader@example.org"))
}
_PICTURE = re.compile(r"\]\(pictures/([\w.]+)\)")
_NUMBER = re.compile(r"-?(?:\d[\d,]*)?\.?\d+(?:e-?\d+)?")
_MEMORY = re.compile(r"\[=*o?=*\]|[#=\-\[\]o]{20,}")  # the bar of an interval


@dataclass
class Played:
    """The page as it would read now, and the commands whose output is not as shown."""

    text: str
    different: list[str]


def play(page: str, folder: Path) -> Played:
    """Follow `page` in `folder`. Raises `RuntimeError` for a command that fails without saying so.

    A command may end with 1 or 3, which are verdicts; one that may end with 2 is followed by ``|| true``.
    """
    different: list[str] = []

    def block(match: re.Match[str]) -> str:
        kind, file, body = match.groups()
        if file is not None:
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, "utf-8")
            return match[0]
        if kind != "console":
            return match[0]
        parts = []
        for command, shown in _commands(body):
            printed = _run(command, folder)
            parts.append(f"$ {command}\n{_merged(shown, printed)}")
            if not _same(shown, printed):
                different.append(f"$ {command}\n--- shown\n{shown}--- printed\n{printed}")
        return f"```console\n{''.join(parts)}```"

    return Played(_FENCE.sub(block, page), different)


def _commands(body: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in body.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].rstrip("\n"), ""))
        else:
            command, shown = found[-1]
            found[-1] = (command, shown + line)
    return found


def _run(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB", "PYTEST"))}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env={**clean, **_READER, "PATH": path, "NO_COLOR": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(f"$ {command}\nstatus {done.returncode}\n{done.stdout}{done.stderr}")
    lines = [line.rstrip() for line in done.stdout.replace(f"{folder}/", "").splitlines()]
    return "".join(f"{line}\n" for line in lines).lstrip("\n")


def _merged(shown: str, printed: str) -> str:
    """What was printed, with the lines left out that the page leaves out by ``...`` at its end."""
    lines = shown.splitlines()
    if "..." not in lines:
        return printed
    before, after = lines[: lines.index("...")], lines[lines.index("...") + 1 :]
    every = printed.splitlines()
    kept = [*every[: len(before)], "...", *(every[len(every) - len(after) :] if after else [])]
    return "".join(f"{line}\n" for line in kept)


def _same(shown: str, printed: str) -> bool:
    return _masked(shown) == _masked(_merged(shown, printed))


def _masked(text: str) -> str:
    text = _NUMBER.sub("#", _MEMORY.sub("~", text))
    return re.sub(r"[ -]+", " ", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument(
        "--into", type=Path, help="an empty folder that stays, in place of one that goes"
    )
    arguments = parser.parse_args()
    status = 0
    for path in arguments.pages:
        with tempfile.TemporaryDirectory() as temporary:
            folder = arguments.into or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            found = play(path.read_text("utf-8"), folder)
            if not arguments.check:
                path.write_text(found.text, "utf-8")
                _take_pictures(found.text, folder, path.parent / "pictures")
        if arguments.check and found.different:
            sys.stdout.write("\n".join(found.different))
            status = 1
    return status


def _take_pictures(page: str, folder: Path, pictures: Path) -> None:
    """Pictures that the page shows and that a command has drawn."""
    for name in _PICTURE.findall(page):
        if (folder / name).exists():
            shutil.copy(folder / name, pictures / name)


if __name__ == "__main__":
    sys.exit(main())
