"""The plan of a hypothesis in words."""

from __future__ import annotations

from collections.abc import Iterator

from emergence_stats.controls import Control
from emergence_stats.hypothesis import Mean, Prediction, Share, keyword_defaults
from emergence_stats.project import Loaded
from emergence_stats.registration import State


def describe_lines(loaded: Loaded, state: State) -> Iterator[str]:
    """Lines of plain text: claim, needs, unit, predictions with their regions, choices."""
    h = loaded.hypothesis
    yield f"{loaded.name} ({state.status})"
    yield from (f"  {change}" for change in state.changes)
    yield ""
    yield from loaded.doc.splitlines()
    yield ""
    yield f"Claim       {h.claim.text}"
    if h.claim.paper:
        yield f"Paper       {h.claim.paper}"
    for version, text in h.claim.reported.items():
        yield f"  reported  {version}: {text}"
    yield f"Traces      {', '.join(h.needs.measures)}; layers: {h.needs.layers}"
    if h.needs.min_layers:
        yield f"  excluded  runs with fewer than {h.needs.min_layers} blocks"
    if h.needs.min_scales > 1:
        yield f"  at least  {h.needs.min_scales} scales"
    if h.design is not None:
        d = h.design
        seeds = ", ".join(map(str, d.seeds))
        yield f"Design      suite {d.suite}, scales {', '.join(d.scales)}, seeds {seeds}"
        yield f"            {len(d.runs())} confirmatory runs; more or fewer is a deviation"
    if len(h.predictions) == 1:
        yield f"Inference   one prediction; interval at {h.level:g}"
    else:
        yield (
            f"Inference   {len(h.predictions)} predictions, {h.combine} must hold; intervals at "
            f"{h.simultaneous_level:.4g} each, {h.level:g} together (Bonferroni)"
        )
    for prediction in h.predictions:
        yield f"  {prediction.name}: {prediction.region}"
        yield f"    {_analysis(prediction)}"
        doc = (getattr(prediction.estimate, "func", prediction.estimate).__doc__ or "").strip()
        if doc:
            yield f"    {doc.splitlines()[0]}"
        defaults = keyword_defaults(prediction.estimate)
        if defaults:
            choices = ", ".join(f"{k}={v!r}" for k, v in defaults.items())
            yield f"    registered choices: {choices}"
    for control in h.controls:
        yield f"Control     {control.name}: {_control(control)}"
        about = f" ({', '.join(control.predictions)})" if control.predictions else ""
        yield f"    the same verdict there would mean: {control.shows}{about}"
    for keyword, values in h.multiverse.items():
        yield f"Multiverse  {keyword}: {', '.join(map(repr, values))}"
    if h.pooled is not None:
        yield f"Pooled      {h.pooled.label} (as the paper counts; not a test)"


def _analysis(prediction: Prediction) -> str:
    unit = "run" if prediction.unit == "run" else "seed (its runs at all scales)"
    if isinstance(prediction.analysis, Mean):
        if prediction.analysis.bounds is not None:
            lo, hi = prediction.analysis.bounds
            return f"mean of one number a {unit}, in [{lo:g}, {hi:g}]; Korn-Graubard interval"
        return f"mean of one number a {unit}; Student's t interval, exact sign-flip test"
    if isinstance(prediction.analysis, Share):
        return f"mean of one share a {unit}; Korn-Graubard interval"
    factor = prediction.analysis.over
    return f"change of one number a {unit} when parameters grow {factor:g}-fold; t interval"


def _control(control: Control) -> str:
    parts = [f"{keyword}={value!r}" for keyword, value in control.keywords.items()]
    if control.change is not None:
        parts.append((type(control.change).__doc__ or "").strip().splitlines()[0])
    if control.suite is not None:
        parts.append(f"runs of suite {control.suite}")
    return "; ".join(parts)
