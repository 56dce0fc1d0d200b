"""Acquisition of a task in Pythia's evaluations: when it is, and which models make up one observation.

There is one model a size and set of training data, so what can be replicated is not a model but the whole
ladder of sizes: once trained on the Pile, once on the Pile without its duplicates ("seeds" 0 and 1). Two
observations, and not even independent ones: the two share most of their data.
"""

from emergence_stats import Events, Run, first_lasting

# Chance, and the accuracy that counts as acquired: half-way from chance to what the largest model has at
# the end, in round numbers. The same for all sizes, so that "earlier" is about one event.
CHANCE = {"lambada_openai": 0.0, "piqa": 0.5, "sciq": 0.25, "arc_easy": 0.25, "winogrande": 0.5}
ACQUIRED = {
    "lambada_openai": 0.35,
    "piqa": 0.63,
    "sciq": 0.57,
    "arc_easy": 0.47,
    "winogrande": 0.57,
}


def acquisitions(run: Run, share=1.0, persistence=2) -> Events:
    """When each task's accuracy is at its threshold at two checkpoints running.

    `share`: of the way from chance to the threshold.
    """
    traces = run.traces("accuracy", tasks=True)
    traces = traces.select([task in ACQUIRED for task in traces.task])
    needed = [CHANCE[t] + share * (ACQUIRED[t] - CHANCE[t]) for t in traces.task]
    holds = traces.values >= [[value] for value in needed]
    return first_lasting(traces, holds, persistence)
