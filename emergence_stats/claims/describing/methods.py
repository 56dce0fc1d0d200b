"""The plan of a hypothesis as the methods section of a paper."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import State
from emergence_stats.core.analyses import LargestDifference, Median, Share, Slope, bounds_of
from emergence_stats.core.controls.control import SAME, Control
from emergence_stats.core.plan import AVERAGE, Hypothesis, Prediction, keyword_defaults
from emergence_stats.core.reported import reported_text
from emergence_stats.support.words import counted, listed, ranges, visible

_WIDTH = 100
_LAYERS = {
    "all": "all layers",
    "blocks": "the blocks, layers 1 to L",
    "final": "the last block, layer L",
}


@dataclass(frozen=True)
class Part:
    """A heading, its sentences, and items if there is a list."""

    heading: str
    text: str
    items: tuple[str, ...] = ()


def methods(loaded: Loaded, state: State) -> list[Part]:
    """All that a reader needs to repeat the analysis, in the order of a paper."""
    h = loaded.hypothesis
    parts = [
        Part(
            "Claim",
            _claim(h),
            tuple(f"{k} reports: {reported_text(v)}" for k, v in h.claim.reported.items()),
        ),
        Part("Data", data_text(h)),
        Part("Sample", sample_text(h)),
        Part("Exclusions", exclusions_text(h)),
        Part("Predictions", unit_text(h), tuple(_predictions(h))),
        Part("Inference", inference_text(h)),
    ]
    if h.controls:
        text = (
            "The same analysis with one thing changed so that the claim cannot be the reason, or so that it is true for "
            "certain. Each is judged by the interval of the difference, and qualifies the verdict."
        )
        parts.append(Part("Controls", text, tuple(_control(control) for control in h.controls)))
    if h.multiverse:
        text = "The verdict is computed for all combinations of these choices too."
        items = tuple(f"{k}: {', '.join(map(repr, v))}" for k, v in h.multiverse.items())
        parts.append(Part("Multiverse", text, items))
    if h.pooled is not None:
        text = f"Shown as the paper counts, and not a test: {h.pooled.label}, over all runs."
        parts.append(Part("Pooled", text))
    parts.append(Part("Registration", registration_text(state), state.changes))
    return parts


def describe_lines(loaded: Loaded, state: State) -> Iterator[str]:
    """The methods as lines of plain text, after the module's docstring."""
    yield f"{loaded.name} ({state.status})"
    yield ""
    yield from loaded.doc.splitlines()
    for part in methods(loaded, state):
        yield ""
        yield part.heading
        yield from _wrapped(part.text, "  ", "  ")
        for item in part.items:
            yield from _wrapped(item, "  - ", "    ")


def _wrapped(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )


# --- sentences --------------------------------------------------------------------------------


def _claim(h: Hypothesis) -> str:
    return f"{h.claim.text} ({h.claim.paper})" if h.claim.paper else h.claim.text


def data_text(h: Hypothesis) -> str:
    """Which traces are read."""
    measures = listed(h.needs.measures)
    text = f"Traces of {measures}, at {_LAYERS[h.needs.layers]} where they have layers."
    if h.needs.optional:
        text += f" Read only for other analyses: {listed(h.needs.optional)}."
    return text


def sample_text(h: Hypothesis) -> str:
    """How many runs, and when collection stops."""
    if h.design is None:
        return "The plan has no stopping rule, and a report on unseen runs says so as a deviation."
    seeds = ", ".join(ranges(map(str, h.design.seeds))).strip("[]").replace(",", ", ")
    stop = "Collection stops when these exist."
    if h.design.sequential:
        looks = listed([str(look) for look in h.design.looks])
        stop = (
            f"There are looks at {looks} seeds a scale, and collection may stop at the first look that decides: each "
            f"look has {100 * (1 - h.simultaneous_level):.3g}% of error for each prediction."
        )
    return (
        f"{len(h.design.runs())} training runs of suite {h.design.suite}: scales "
        f"{listed(h.design.scales)}, seeds {seeds}. {stop} A result on "
        "fewer or more of them is reported as a deviation."
    )


def exclusions_text(h: Hypothesis) -> str:
    """Which runs do not count."""
    parts = [f"A run that lacks {listed(h.needs.measures, 'or')} is refused, and listed."]
    if h.needs.min_layers:
        parts.append(f"Runs with fewer than {h.needs.min_layers} blocks are excluded.")
    if h.needs.min_scales > 1:
        parts.append(f"With fewer than {h.needs.min_scales} scales the verdict is inconclusive.")
    parts.append(
        "Runs that the plan had seen when it was registered are pilots, and count only if there is "
        "no unseen run. A run for which a quantity is undefined is listed with the reason. No value is "
        "imputed, and no run is left out for its value."
    )
    return " ".join(parts)


def unit_text(h: Hypothesis) -> str:
    """What is replicated."""
    units = {p.unit for p in h.predictions}
    if units == {"seed"}:
        return (
            "The unit of replication is a seed: the runs of one seed at all scales give one number."
        )
    text = (
        "The unit of replication is the training run: a run gives one number, and its task-levels, which "
        "share one set of weights, are not replicates."
    )
    return text if units == {"run"} else f"{text} Where stated, the unit is a seed at all scales."


def _predictions(h: Hypothesis) -> Iterator[str]:
    """An item for each estimate with its region; predictions that differ only in a choice share one."""
    groups: dict[tuple[Any, ...], list[Prediction]] = {}
    for p in h.predictions:
        function = getattr(p.estimate, "func", p.estimate)
        groups.setdefault((function, str(p.region), p.analysis, p.unit), []).append(p)
    for group in groups.values():
        yield prediction_text(group)


def prediction_text(group: Sequence[Prediction]) -> str:
    """Estimand, region, choices and method of predictions that are alike."""
    first = group[0]
    names = listed([p.name for p in group])
    function = getattr(first.estimate, "func", first.estimate)
    doc = (function.__doc__ or "").strip().split("\n\n")[0]
    text = f"{names}: claimed {first.region}. "
    text += f"{' '.join(doc.split())} " if doc else ""
    defaults = [keyword_defaults(p.estimate) for p in group]
    shared = {k: v for k, v in defaults[0].items() if all(d.get(k) == v for d in defaults)}
    if shared:
        text += f"Choices: {', '.join(f'{k}={v!r}' for k, v in shared.items())}. "
    return text + method_text(first)


def method_text(p: Prediction) -> str:
    """How values of units become an interval and a test."""
    units = "runs" if p.unit == "run" else "seeds"
    if isinstance(p.analysis, LargestDifference):
        return (
            "The largest difference between the means of two scales; the interval holds for every pair of scales at once "
            "(Student's t of each pair, errors from seeds within scales)."
        )
    if isinstance(p.analysis, Median):
        return (
            f"{_scope_text(p)}Median over {units} of a scale, with the interval and the test of signs, which hold for values "
            "of any distribution."
        )
    if isinstance(p.analysis, Slope):
        return (
            f"Change when parameters grow {p.analysis.over:g}-fold: slope of scale means on log parameters, with Student's "
            "t interval and test; the error comes from seeds within scales."
        )
    bounds = bounds_of(p.analysis)
    what = f"Mean {'share ' if isinstance(p.analysis, Share) else ''}over {units}"
    if bounds is None:
        how = "Student's t interval and test, which a few runs that deviate by far can mislead"
    else:
        shown = "" if bounds == (0.0, 1.0) else f" on [{bounds[0]:g}, {bounds[1]:g}]"
        how = (
            f"the interval of Korn and Graubard for a rate{shown}, widened by what runs that were not seen could add; beside "
            "it one that assumes nothing about how runs vary (betting)"
        )
    return f"{_scope_text(p)}{what}, with {how}."


def _scope_text(p: Prediction) -> str:
    if p.unit == "seed":
        return ""
    if p.of_every_scale:
        return (
            "Claimed of every scale: each scale's own interval has to lie inside, and one that lies outside, simultaneously "
            "over scales, refutes. "
        )
    said = "" if p.scope == AVERAGE else " (the plan does not say which)"
    return f"Claimed of the average over scales{said}, which supports nothing while a scale lies outside for certain. "


def inference_text(h: Hypothesis) -> str:
    """The verdict rule, and what is simultaneous."""
    text = (
        "Runs are stratified by scale. A prediction is supported where its interval lies inside the "
        "claimed region, refuted where they have no point in common, and inconclusive otherwise. "
    )
    if len(h.predictions) == 1:
        return f"{text}The interval is at {100 * h.simultaneous_level:.4g}%."
    must = "All predictions must hold" if h.combine == "all" else "One prediction must hold"
    return (
        f"{text}{must} (three-valued logic); intervals are at {100 * h.simultaneous_level:.4g}% each, so "
        f"{100 * h.level:g}% together (Bonferroni)."
    )


def _control(control: Control) -> str:
    if control.finds is not None:
        end = f"It plants an effect, and has to be {control.finds}; if it is not, the analysis is insensitive."
    else:
        margin = control.margin
        within = f" Differences up to {margin:g} are none." if margin is not None else ""
        end = f"If the analysis does not exceed it, then {control.shows}.{within}"
        if control.expects == SAME:
            end = f"It has to make no difference beyond {margin:g}."
    parts = [f"{keyword}={value!r}" for keyword, value in control.keywords.items()]
    if control.change is not None:
        parts.append(repr(control.change))
    if control.suite is not None:
        parts.append(f"runs of suite {control.suite}")
    about = f" About {listed(control.predictions)}." if control.predictions else ""
    return f"{control.name}: {'; '.join(parts)}. {end}{about}"


def registration_text(state: State) -> str:
    """Whether and when the plan was frozen, and what it had seen."""
    if state.registration is None:
        return (
            "Not registered: every result is exploratory. Register with `emergence-stats register`."
        )
    latest = state.registration.latest
    *earlier, study = state.registration.studies()
    entries = len([entry for entry in study if "closed" not in entry])
    text = f"Registered {latest['registered']}, plan {latest['plan']}"
    if latest.get("git_commit"):
        text += f", at revision {latest['git_commit'][:12]}"
    text += f", with {counted(len(latest['runs']), 'run')} seen"
    text += f"; {entries} registrations in all." if entries > 1 else "."
    for closed in (each[-1] for each in earlier):
        text += (
            f" It supersedes the study registered {closed['registered']} and closed {closed['closed_on'][:10]} "
            f"({visible(closed['closed'])})."
        )
    if state.registration.is_closed:
        text += (
            f" This study is closed since {latest['closed_on'][:10]} ({visible(latest['closed'])})."
        )
    if state.status == "amended":
        text += " Amended since, so every result is exploratory:"
    return text
