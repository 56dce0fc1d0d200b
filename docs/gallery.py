"""The shipped claims as Markdown, from their declarations, docstrings and recorded verdicts.

python docs/gallery.py            a section for each claim, for docs/gallery.md
python docs/gallery.py --short    a table of them, for docs/index.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from emergence_stats.claims.project import Loaded, Project
from emergence_stats.evaluation import recorded

_SCOPES = {"every scale": "every scale", "average": "the average over scales"}


def main() -> int:
    project = Project()
    verdicts = recorded.read(project.folder / "verdicts.lock")
    claims = [project.load(name) for name in project.sources]
    if "--short" in sys.argv[1:]:
        lines = ["| claim | verdict |", "|---|---|"]
        lines += [
            f"| [{one.hypothesis.claim.text}](gallery.md#{one.name}) | {_verdict(one, verdicts[one.name])} |"
            for one in claims
        ]
    else:
        lines = [line for one in claims for line in _section(one, verdicts[one.name], project)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _verdict(loaded: Loaded, entry: Mapping[str, Any]) -> str:
    """With what qualifies it; of a claim without runs of its plan, that."""
    if entry["basis"] != "confirmatory":
        registered = loaded.source.lock.exists()
        return "runs are being collected" if registered else "not registered, and without runs here"
    kinds = ", ".join(entry["qualifiers"])
    return f"**{entry['verdict']}**{f', with reservations: {kinds}' if kinds else ''}"


def _section(loaded: Loaded, entry: Mapping[str, Any], project: Project) -> Iterator[str]:
    claim = loaded.hypothesis.claim
    yield from (f"## {loaded.name}", "")
    verdict = _verdict(loaded, entry)
    source = f" {claim.paper}." if claim.paper else ""
    yield from (f"**{claim.text}**{source} {verdict[0].upper()}{verdict[1:]}.", "")
    # the first paragraph says the claim again
    _, *paragraphs = (loaded.module.__doc__ or "").strip().split("\n\n")
    yield from (line for text in paragraphs for line in (text, ""))
    yield from ("| prediction | claimed | of |", "|---|---|---|")
    for p in loaded.hypothesis.predictions:
        yield f"| {p.name} | `{p.region}` | {_SCOPES.get(str(p.scope), 'all scales together')} |"
    where = project.shown(loaded.source.path).replace("\\", "/")
    yield from (
        "",
        f"`{where}`; `emergence-stats describe {loaded.name}` prints the whole plan.",
        "",
    )


if __name__ == "__main__":
    sys.exit(main())
