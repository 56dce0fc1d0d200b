"""The training backend, if it is installed: the only place in this package that imports it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emergence_stats.errors import UsageError
from emergence_stats.traces.format import Manifest


@dataclass(frozen=True)
class How:
    """How runs are made. `engine`: local, ray or slurm; `jobs`: at once; `address` of a Ray cluster; `slurm`: parameters of its
    jobs; `scratch`: a folder of this machine for runs on their way to a store elsewhere; `together`: seeds of one scale that share
    a process; `models`: a folder of published models, for suites of those; `corpus`: a folder of texts, for language models that are
    trained here; `model`: a published one that is no suite's, and `revisions`: a pattern of its checkpoints' names.
    """

    device: str = "cpu"
    jobs: int | None = None
    engine: str = "local"
    address: str | None = None
    slurm: Mapping[str, str] = field(default_factory=dict)
    scratch: str | None = None
    together: int = 1
    models: str | None = None
    corpus: str | None = None
    model: str | None = None
    revisions: str | None = None


_NEEDED = ("emergence_training", "torch", "filelock")


def trainable_suites() -> Collection[str]:
    """Names of the suites that it declares, none if it is not installed."""
    if find_spec("emergence_training") is None:
        return ()
    from emergence_training.suites import named

    return named().keys()


def can_be_collected(suite: str) -> bool:
    """Whether the backend trains runs of a suite, so that `collect` can be advised."""
    return suite in trainable_suites()


def suite_named(name: str) -> Any:
    """A declared suite. Raises `UsageError` with the known names for an unknown one."""
    from emergence_training.collect import suite_named

    return suite_named(name)


def other_settings(manifest: Manifest) -> dict[str, tuple[Any, Any]]:
    """The settings of a run that are not those that its suite has now, each with both values; none for a suite that is not declared."""
    if not can_be_collected(manifest.suite):
        return {}
    from emergence_training.suites import named, other_settings

    return other_settings(named()[manifest.suite], manifest.scale, manifest.seed, manifest.config)


def suite_of_model(
    how: How, suite: str | None, scales: Sequence[str] | None, seeds: Sequence[int] | None
) -> Any:
    """A suite of the one model that is named, whose suite, scale and seed the user may name too.

    Raises `UsageError` for more than one scale or seed, and without the extra.
    """
    for option, some in (("--scale", scales), ("--seed", seeds)):
        if some is not None and len(some) > 1:
            raise UsageError(f"--model is of one run: {option} names the {option[2:]} of it, once")
    if how.corpus is not None or how.models is not None:
        raise UsageError("--model names a model, or its folder: leave out --models and --corpus")
    _check_language("--model")
    from emergence_training.language.declare import suite_of

    assert how.model is not None
    return suite_of(
        how.model,
        suite=suite,
        scale=scales[0] if scales else None,
        seed=seeds[0] if seeds else None,
        pattern=how.revisions,
    )


def costs_on_gpu(suite: str, memory_gb: float | None) -> tuple[str, list[dict[str, Any]]]:
    """The device that was measured, and what a run of each scale of a suite costs on it, measured or estimated.

    Raises `UsageError` for a suite that is not declared, or without the backend.
    """
    if find_spec("emergence_training") is None:
        raise UsageError("--device cuda needs the training backend, which is not installed")
    from emergence_training.engines import costs
    from emergence_training.suites import Suite

    declared, memory = suite_named(suite), memory_gb or costs.MEMORY_GB
    if not isinstance(declared, Suite):
        raise UsageError(
            f"what a GPU would take is known for models of the tasks, and suite {suite} has language models"
        )
    basis = f"{costs.DEVICE}, {memory:g} GB, timed with products in float32"
    if declared.precision is not None:
        basis += f" (the suite trains in {declared.precision}, which was not timed)"
    if declared.deep is not None or declared.log_spaced is not None:
        basis += "; without the measures of log-spaced checkpoints, which were not timed there"
    return basis, [asdict(cost) for cost in costs.costs(declared, memory)]


def costs_of_published(suite: str) -> dict[str, dict[str, Any]]:
    """By scale, what a run of published checkpoints costs, as estimated; nothing for a suite that is trained."""
    if find_spec("emergence_training") is None:
        return {}
    from emergence_training.suites import PublishedSuite, named

    declared = named().get(suite)
    if not isinstance(declared, PublishedSuite):
        return {}
    return {cost["scale"]: cost for cost in costs_of(declared)}


def costs_of(published: Any) -> list[dict[str, Any]]:
    """What a run of each scale of a suite of published checkpoints costs, as estimated."""
    from emergence_training.language.costs import costs

    return costs(published)


def check_installed() -> None:
    """Raise `UsageError` if training is not possible here."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"collect needs {' and '.join(lacking)}, which the extra `training` provides; "
            "install it with: pip install 'emergence-stats[training]' (in a clone '.[training]', of a wheel 'FILE.whl[training]')"
        )


def collect_runs(
    folder: str,
    suite: Any,
    scales: Sequence[str] | None,
    seeds: Sequence[int] | None,
    how: How,
) -> int:
    """Train the runs of a suite that a store lacks, and return how many were written."""
    from emergence_training.collect import collect
    from emergence_training.engines.task import Options
    from emergence_training.suites import PublishedSuite

    suite = _language(suite, how)
    jobs = how.jobs
    if jobs is None and isinstance(suite, PublishedSuite) and how.engine == "local":
        jobs = 1  # a large model takes all cores of this machine, and its memory
    options = Options(jobs, how.address, slurm=how.slurm, together=how.together)
    return collect(
        folder,
        suite,
        scales,
        seeds,
        device=how.device,
        engine=how.engine,
        options=options,
        scratch=how.scratch,
    )


def _language(suite: Any, how: How) -> Any:
    """A suite of language models with its models, or its corpus, where the user has them; another suite as it is.

    Raises `UsageError` for an option that is not of the suite's kind, and without the extra.
    """
    from emergence_training.suites import PublishedSuite, TextSuite

    published, text = isinstance(suite, PublishedSuite), isinstance(suite, TextSuite)
    for option, value, fits, kind in (
        ("--models", how.models, published, "published models"),
        ("--corpus", how.corpus, text, "language models that are trained here"),
    ):
        if value is not None and not fits:
            raise UsageError(f"{option} is for suites of {kind}, and {suite.name} is none")
        if value is not None and not Path(value).is_dir():
            raise UsageError(f"{option} {value}: there is no such folder")
    if not published and not text:
        return suite
    _check_language(f"suite {suite.name}")
    if how.together > 1:
        raise UsageError(
            f"--together is for models of the tasks, and suite {suite.name} has language models"
        )
    if how.models is not None:
        return suite.at(Path(how.models).absolute())
    if how.corpus is None:
        return suite
    from emergence_training.language.trained.corpus import digest_of

    folder = Path(how.corpus).absolute()
    return suite.on(folder, digest_of(folder))


def _check_language(what: str) -> None:
    if find_spec("transformers") is None:
        raise UsageError(
            f"{what} needs the extra `language`: pip install 'emergence-stats[language]'"
        )
