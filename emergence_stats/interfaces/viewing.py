"""The HTML report in a browser, made again when a claim or the store changes: ``emergence-stats view``.

Each page is made by a process of its own, as ``report -o FILE.html`` makes it, so that a claim that crashes or never ends
takes nothing down. The server listens on 127.0.0.1 alone, and answers only requests that name it so: a page of the
internet could else read it through a name of its own.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from emergence_stats.traces.places import is_uri

HOST = "127.0.0.1"
_NAMES = ("127.0.0.1", "localhost")
_EVERY = 2000  # milliseconds between two questions of the browser whether something changed
_VERDICTS = (0, 1, 3)  # exit statuses of a report that was made
# Asks for the state, and loads the page again, where it was scrolled to, once that is another.
_SCRIPT = """<script>
setInterval(async () => {
  try {
    const now = await (await fetch("/state")).text();
    if (now !== "%s") location.reload();
  } catch (error) { /* the server was stopped: the page stays */ }
}, %d);
</script>"""


def state_of(root: Path, folder: Path, store: str) -> str:
    """A digest of what a report depends on: names, sizes and times of the files beside the claims, settings and manifests.

    A store behind a URI is not looked at.
    """
    found = hashlib.sha256()
    for path in _files(root, folder, store):
        try:
            status = path.stat()
        except OSError:  # gone between listing and looking
            continue
        found.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _files(root: Path, folder: Path, store: str) -> Iterator[Path]:
    yield root / "pyproject.toml"
    # all of them: settings (TOML) and data that claims read are seen on the page as well
    yield from sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    if not is_uri(store):
        yield from sorted(Path(store).glob("*/[!.]*.json"))


def make_page(arguments: Sequence[str], root: Path) -> str:
    """The page that ``report`` makes with these arguments in a process of its own, or one that says what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        command = [sys.executable, "-m", "emergence_stats", "report", *arguments, "-o", str(page)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace")
        if page.exists() and (done.returncode in _VERDICTS or page.stat().st_size):
            return page.read_text("utf-8")
    return (
        "<!doctype html><meta charset=utf-8><title>emergence-stats</title><body>"
        f"<p>No report (exit status {done.returncode}):</p><pre>{escape(done.stderr)}</pre></body>"
    )


@dataclass
class Pages:
    """The page of the present state, made once for each: `make` makes it, `state` tells what it is of."""

    make: Callable[[], str]
    state: Callable[[], str]
    _made: str | None = None
    _page: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> str:
        """The page, which asks to be loaded again when it is no longer that of the state."""
        with self._lock:
            state = self.state()  # before the page is made: what changes meanwhile makes another
            if state != self._made:
                self._page, self._made = self.make(), state
            script = _SCRIPT % (self._made, _EVERY)
            before, body, after = self._page.rpartition("</body>")
            return before + script + body + after if body else self._page + script


def server(pages: Pages, port: int) -> ThreadingHTTPServer:
    """A server of the pages on 127.0.0.1; port 0: any that is free. Raises `OSError` if the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
            if host not in _NAMES:
                self._answer(403, "text/plain", "this server answers to 127.0.0.1 and localhost")
            elif self.path == "/":
                self._answer(200, "text/html", pages.now())
            elif self.path == "/state":
                self._answer(200, "text/plain", pages.state())
            else:
                self._answer(404, "text/plain", "there is one page, /")

        def _answer(self, status: int, kind: str, text: str) -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing of requests."""

    return ThreadingHTTPServer((HOST, port), Handler)
