"""The plan in the fields of the forms that researchers file: AsPredicted, and OSF Preregistration.

Fields that only the author can fill in, such as names, are left out; the module's docstring serves as the
author's description of the claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emergence_stats.claims.describing.methods import (
    data_text,
    exclusions_text,
    inference_text,
    methods,
    registration_text,
    sample_text,
    unit_text,
)
from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import State
from emergence_stats.core.plan import Hypothesis

FORMS = ("aspredicted", "osf")
_FURTHER = ("Controls", "Multiverse", "Pooled")


def fields(loaded: Loaded, state: State, form: str) -> dict[str, str]:
    """The questions of one of `FORMS` with the plan's answers, in the form's order."""
    return _aspredicted(loaded, state) if form == "aspredicted" else _osf(loaded, state)


def _aspredicted(loaded: Loaded, state: State) -> dict[str, str]:
    h = loaded.hypothesis
    return {
        "1) Have any data been collected for this study already?": _existing(state),
        "2) What's the main question being asked or hypothesis being tested in this study?": (
            h.claim.text
        ),
        "3) Describe the key dependent variable(s) specifying how they will be measured.": (
            f"{data_text(h)}\n{_whole(loaded, state, 'Predictions')}"
        ),
        "4) How many and which conditions will participants be assigned to?": _conditions(h),
        "5) Specify exactly which analyses you will conduct to examine the main "
        "question/hypothesis.": inference_text(h),
        "6) Describe exactly how outliers will be defined and handled, and your precise rule(s) for "
        "excluding observations.": exclusions_text(h),
        "7) How many observations will be collected or what will determine sample size?": (
            sample_text(h)
        ),
        "8) Anything else you would like to pre-register?": _whole(loaded, state, *_FURTHER),
        "9) Registration": registration_text(state),
    }


def _osf(loaded: Loaded, state: State) -> dict[str, str]:
    h = loaded.hypothesis
    return {
        "Title": loaded.name,
        "Description": loaded.doc,
        "Hypotheses": _whole(loaded, state, "Claim", "Predictions"),
        "Study type": "Observational study of training runs, measured by a fixed procedure.",
        "Blinding": "No blinding: the analysis is a program that is frozen before the runs exist.",
        "Study design": f"{unit_text(h)} {_conditions(h)}",
        "Randomization": "Initial weights and data order are drawn from each run's seed.",
        "Existing data": _existing(state),
        "Data collection procedures": data_text(h),
        "Sample size": sample_text(h),
        "Stopping rule": sample_text(h),
        "Measured variables": data_text(h),
        "Indices": _whole(loaded, state, "Predictions"),
        "Statistical models": inference_text(h),
        "Inference criteria": inference_text(h),
        "Data exclusion": exclusions_text(h),
        "Missing data": "No value is imputed. Events that did not occur by the end of a run are "
        "right-censored at its last step, and not left out.",
        "Exploratory analysis": _whole(loaded, state, *_FURTHER),
        "Other": registration_text(state),
    }


def _whole(loaded: Loaded, state: State, *headings: str) -> str:
    """These parts of the methods with their lists."""
    parts = {part.heading: part for part in methods(loaded, state)}
    lines: list[str] = []
    for heading in headings:
        if heading in parts:
            lines += [parts[heading].text, *(f"- {item}" for item in parts[heading].items)]
    return "\n".join(lines) or "None."


def _existing(state: State) -> str:
    if state.registration is None:
        return "The plan is not frozen yet, so this is not known."
    seen = len(state.registration.frozen()["runs"])
    if not seen:
        return "No training run existed when the plan was frozen."
    return (
        f"Yes: {seen} training runs existed when the plan was frozen, and are listed in it by hash. "
        "They are pilots, and do not count in any confirmatory result."
    )


def _conditions(h: Hypothesis) -> str:
    if h.design is None:
        return "No assignment."
    return f"No assignment: {sample_text(h)} Scales are fixed, seeds are random."


def as_markdown(loaded: Loaded, state: State, form: str | None) -> str:
    """The methods, or a form with its answers, as Markdown."""
    if form is None:
        return "\n".join(_methods_lines(loaded, state)) + "\n"
    lines = [f"# {loaded.name}", ""]
    for question, answer in fields(loaded, state, form).items():
        lines += [f"## {question}", "", answer, ""]
    return "\n".join(lines)


def _methods_lines(loaded: Loaded, state: State) -> Iterator[str]:
    yield from (f"# {loaded.name}", "", loaded.doc)
    for part in methods(loaded, state):
        yield from ("", f"## {part.heading}", "", part.text)
        if part.items:
            yield ""
            yield from (f"- {item}" for item in part.items)


def as_json(loaded: Loaded, state: State, form: str | None) -> dict[str, Any]:
    """The declaration with its registration, and a form's fields where one is asked for."""
    latest = state.registration.latest if state.registration is not None else None
    plan: dict[str, Any] = {
        "schema_version": 1,
        "name": loaded.name,
        "registration": state.status,
        "changes": list(state.changes),
        "registered": latest["registered"] if latest else None,
        "plan": latest["plan"] if latest else None,
        "methods": {
            part.heading: {"text": part.text, "items": list(part.items)}
            for part in methods(loaded, state)
        },
        **loaded.hypothesis.declaration(),
    }
    if form is not None:
        plan["form"] = {"name": form, "fields": fields(loaded, state, form)}
    return plan
