"""Results as JUnit XML, which every CI system shows: one test case per hypothesis.

In a report: supported passes, refuted is a failure of type ``refuted``, inconclusive is skipped. In a
check: what differs from the record is a failure of type ``changed``; what does not passes, whatever
the verdict, except that inconclusive is skipped. The message of a skipped case says so.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from emergence_stats.claims.project import Project, place_of
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.recorded import Change
from emergence_stats.evaluation.results import Result
from emergence_stats.reports.console import details_text
from emergence_stats.reports.words import kinds_text, qualifier_texts, why_text

NAME = "emergence-stats"


def of_report(
    results: Sequence[Result],
    project: Project,
    seconds: float,
    errors: Mapping[str, Exception] | None = None,
) -> str:
    """The verdicts themselves. `errors`: of hypotheses that have none, by name."""
    suite = ET.Element("testsuite", name=NAME)
    for result in results:
        case = _case(suite, result, project)
        if result.verdict is Verdict.REFUTED:
            _failure(case, "refuted", why_text(result), details_text(result))
        elif result.verdict is Verdict.INCONCLUSIVE:
            ET.SubElement(case, "skipped", message=_clean(f"inconclusive: {why_text(result)}"))
    _add_errors(suite, errors)
    return _written(suite, seconds)


def of_check(
    results: Sequence[Result],
    changes: Sequence[Change],
    project: Project,
    seconds: float,
    errors: Mapping[str, Exception] | None = None,
) -> str:
    """Whether the verdicts are as recorded."""
    by_name = {change.name: change for change in changes}
    suite = ET.Element("testsuite", name=f"{NAME} check")
    for result in results:
        case = _case(suite, result, project)
        change = by_name.pop(result.name, None)
        if change is not None:
            text = "\n".join([*change.lines(), "", details_text(result)])
            _failure(case, "changed", f"{change.name}: {change.headline}", text)
        elif result.verdict is Verdict.INCONCLUSIVE:
            message = f"inconclusive, as recorded: {why_text(result)}"
            ET.SubElement(case, "skipped", message=_clean(message))
    for change in by_name.values():  # recorded, and no longer there
        case = ET.SubElement(suite, "testcase", classname="hypotheses", name=change.name)
        _failure(case, "changed", f"{change.name}: {change.headline}", change.headline)
    _add_errors(suite, errors)
    return _written(suite, seconds)


def _add_errors(suite: ET.Element, errors: Mapping[str, Exception] | None) -> None:
    for name, error in (errors or {}).items():
        case = ET.SubElement(suite, "testcase", classname="hypotheses", name=name)
        ET.SubElement(case, "error", type=type(error).__name__, message=_clean(str(error)))


def _case(suite: ET.Element, result: Result, project: Project) -> ET.Element:
    place = place_of(project, project.load(result.name))
    case = ET.SubElement(
        suite,
        "testcase",
        classname="hypotheses",
        name=result.name,
        file=place.file,
        line=str(place.line),
    )
    facts: Mapping[str, str] = {
        "verdict": str(result.verdict),
        "basis": result.basis,
        "registration": result.registration,
        "runs": str(result.counted),
        "qualifiers": kinds_text(result),
    }
    properties = ET.SubElement(case, "properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=value)
    said = [why_text(result), *qualifier_texts(result)]
    ET.SubElement(case, "system-out").text = _clean("\n".join(said))
    return case


def _failure(case: ET.Element, kind: str, message: str, text: str) -> None:
    failure = ET.SubElement(case, "failure", type=kind, message=_clean(message))
    failure.text = _clean(text)


def _written(suite: ET.Element, seconds: float) -> str:
    cases = suite.findall("testcase")
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("time", f"{seconds:.3f}")
    for case in cases:
        case.set("time", f"{seconds / len(cases):.3f}")  # they are evaluated in one pass
    whole = ET.Element("testsuites", suite.attrib)
    whole.append(suite)
    ET.indent(whole)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(whole, "unicode") + "\n"


def _clean(text: str) -> str:
    """Without the control characters that XML 1.0 cannot hold at all."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
