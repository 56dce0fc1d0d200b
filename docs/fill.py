"""Put what commands print into README.md and docs/, so that no number there is typed in.

    python docs/fill.py            runs every command and writes the files
    python docs/fill.py --check    exit status 1 where a file shows something else

A block begins with a line ``<!-- output of: COMMAND -->`` (shown indented, as code) or
``<!-- table of: COMMAND -->`` (taken over as Markdown) and ends with ``<!-- end -->``. Commands run
in a shell at the top of the repository, with the environment's programs first on the path. Of
``<!-- picture of: COMMAND -->`` the command draws the file that the block shows; it is run when pages are
filled, and with ``--check`` the file has only to be there, since a picture differs with the last digit.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(
    r"(?P<head><!-- (?P<kind>output|table|picture) of: (?P<command>.+?) -->\n)(?P<body>.*?)(?P<tail><!-- end -->)",
    re.DOTALL,
)
SECONDS = re.compile(r"in \d+\.\d s")  # differs from call to call, so it is no difference


def shown(kind: str, command: str) -> str:
    """The block's text: what `command` prints. Statuses 1 and 3 are verdicts where it is ours; others are raised."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    good = (0, 1, 3) if command.startswith("emergence-stats") else (0,)
    if done.returncode not in good:
        raise SystemExit(f"{command}: status {done.returncode}\n{done.stderr}")
    lines = done.stdout.strip("\n").splitlines()
    if kind == "output":
        lines = [f"    {line}".rstrip() for line in [f"$ {command}", *lines]]
    return "\n" + "\n".join(lines) + "\n\n"


def filled(text: str, check: bool) -> str:
    """`text` with the body of every block made anew."""

    def block(m: re.Match[str]) -> str:
        if m["kind"] == "picture":
            if not check:
                shown("output", m["command"])
            drawn = re.search(r"-o (\S+)", m["command"])
            if drawn is None or not (ROOT / drawn[1]).exists():
                raise SystemExit(f"{m['command']}: its picture is not there")
            return m[0]
        return m["head"] + shown(m["kind"], m["command"]) + m["tail"]

    return BLOCK.sub(block, text)


def main() -> int:
    check = "--check" in sys.argv[1:]
    status = 0
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        before = path.read_text("utf-8")
        after = filled(before, check)
        if SECONDS.sub("", before) == SECONDS.sub("", after):
            continue
        status = 1
        if check:
            name = path.relative_to(ROOT).as_posix()
            sys.stdout.writelines(
                difflib.unified_diff(
                    before.splitlines(True), after.splitlines(True), name, "what is printed"
                )
            )
        else:
            path.write_text(after, "utf-8")
    return status if check else 0


if __name__ == "__main__":
    sys.exit(main())
