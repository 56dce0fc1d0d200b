"""A picture of the first screen of a page, as a browser shows it.

python docs/play.py --into bits docs/tutorial.md
python docs/shoot.py bits/report.html docs/pictures/tutorial_report.png
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_SIZE = {"width": 1100, "height": 860}


def shoot(page: Path, picture: Path) -> None:
    """Write what a browser shows of `page`, a file, as PNG. Raises `RuntimeError` without Chromium."""
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    browser = next(found, None)
    if browser is None:
        raise RuntimeError("no chromium")
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = program.new_page(viewport=_SIZE, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=picture)
        program.close()


if __name__ == "__main__":
    shoot(Path(sys.argv[1]), Path(sys.argv[2]))
