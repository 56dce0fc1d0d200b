"""What the page holds as JSON, from which its script saves tables: the results, audits, and traces that are drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from emergence_stats.audit.facts import Audit
from emergence_stats.evaluation.results import Result, document
from emergence_stats.evaluation.watching.curves import Curves

_ELSEWHERE = ("other suite", "not in the plan")  # runs that are only counted


def embedded(
    results: Sequence[Result], audits: Sequence[Audit], traces: Sequence[Curves]
) -> Markup:
    """The JSON as text that can stand in a page.

    As `report --json` has it, but for runs that are no concern of a claim, which `run_counts` counts; audits without the
    files and runs, which the page lists once.
    """
    found = document(results)
    for result in found["results"]:
        result["runs"] = [use for use in result["runs"] if use["status"] not in _ELSEWHERE]
    found["audits"] = [_audit(audit) for audit in audits]
    found["traces"] = [_traces(curves) for curves in traces]
    return htmlsafe_json_dumps(found, dumps=json.dumps, separators=(",", ":"), allow_nan=False)


def _audit(audit: Audit) -> dict[str, Any]:
    return {key: value for key, value in audit.to_dict().items() if key not in ("files", "runs")}


def _traces(curves: Curves) -> dict[str, Any]:
    """Lines with six digits; runs that were measured at the same steps share them."""
    steps: dict[tuple[int, ...], int] = {}
    lines = []
    for line in curves.lines:
        at = tuple(int(step) for step in line.steps)
        values = [float(f"{value:.6g}") for value in line.values]
        number = steps.setdefault(at, len(steps))
        lines.append({"run": line.run.run_id, "task": line.task, "steps": number, "values": values})
    return {"measure": curves.asked.measure, "steps": [list(at) for at in steps], "lines": lines}
