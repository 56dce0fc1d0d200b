"""The public names and the modules that hold them; imported on first use (PEP 562)."""

from __future__ import annotations

MODULES = {
    "Claim": "hypothesis",
    "Control": "controls",
    "Count": "hypothesis",
    "Design": "hypothesis",
    "EmergenceStatsError": "errors",
    "Events": "events",
    "Hypothesis": "hypothesis",
    "Mean": "hypothesis",
    "Needs": "hypothesis",
    "Pooled": "hypothesis",
    "Prediction": "hypothesis",
    "Region": "regions",
    "Result": "results",
    "Run": "runs",
    "Share": "hypothesis",
    "Slope": "hypothesis",
    "Store": "store",
    "TraceSet": "runs",
    "Undefined": "runs",
    "Verdict": "verdicts",
    "collapse": "events",
    "emergence": "events",
    "equal_noise": "controls",
    "first_lasting": "events",
    "floor": "events",
    "mismatched_tasks": "controls",
    "multiverse": "api",
    "placebo": "controls",
    "power": "api",
    "precedence": "events",
    "recovery": "events",
    "shuffled_answers": "controls",
    "surrogate": "controls",
    "test": "api",
    "varied": "controls",
    "write_run": "writing",
}

# Modules that read, check, show or look after data without deciding a number: no part of the
# code that a registration freezes, even where an analysis module imports them.
NOT_ANALYSIS = frozenset(
    {"api", "app", "cli", "commands_hypotheses", "commands_robustness", "commands_runs", "conclude", "errors", "evaluate", "exports", "project", "registration", "report",
     "results", "schema", "selection", "source", "store", "units", "writing", "multiplicity", "analyses", "pictures",
     "studies", "robustness", "tables", "valuecache"}
)  # fmt: skip
