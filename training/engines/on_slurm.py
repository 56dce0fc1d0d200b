"""Runs as jobs of a Slurm cluster, by submitit."""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from emergence_stats.errors import CollectError, UsageError

from .bars import Bars
from .outcome import Outcome, Tally, attempt, failure_of
from .task import Options, Task, heard_by
from .workplace import Workplace

_LOOK_EVERY = 2.0  # seconds between looks at the queue
_TELL_EVERY = 5.0  # seconds between a job's words on how far it is
_CLUSTERS = ("slurm", "local", "debug")
_RULE = "-" * 20
_LONGEST = 200  # characters of another package's error
CLUSTER = "cluster"  # of the parameters: submitit's executor, slurm, local or debug


class Job:
    """What a node does: one run; returns how it ended. It is put into the queue again where the cluster stops it before its end."""

    def __init__(self, task: Task, told: str) -> None:
        self.task, self.told, self._last = task, told, 0.0

    def __call__(self) -> Outcome:
        try:
            with heard_by(self._say):
                return attempt(self.task, self._tell)
        except Exception as error:
            raise failure_of(self.task.run_id, error) from None

    def _say(self, text: str) -> None:
        with suppress(OSError), _said_in(self.told).open("a", encoding="utf-8") as stream:
            stream.write(f"{' '.join(text.splitlines())}\n")

    def checkpoint(self) -> Any:
        import submitit

        return submitit.helpers.DelayedSubmission(Job(self.task, self.told))

    def _tell(self, step: int, _steps: int, loss: float) -> None:
        if time.monotonic() - self._last > _TELL_EVERY:
            hidden = Path(f"{self.told}.writing")
            with suppress(OSError):  # whoever listened has ended
                hidden.write_text(json.dumps([step, loss]))
                os.replace(hidden, self.told)
            self._last = time.monotonic()


def run(tasks: Sequence[Task], options: Options, bars: Bars) -> int:
    """Queue the runs as one array of jobs and wait for them; returns how many were written.

    Logs lie below the store's scratch folder, which the nodes have to share. After the first failure the others go on, and it
    is raised in the end. Interrupted, it cancels the jobs; runs go on from where they were at the next collection.
    """
    if importlib.util.find_spec("submitit") is None:
        raise UsageError(
            "--engine slurm needs the extra `slurm`: pip install 'emergence-stats[slurm]'"
        )
    folder = Workplace.of(tasks[0].store, tasks[0].scratch).scratch / ".slurm"
    executor = _executor(folder, tasks, options)
    folder.mkdir(parents=True, exist_ok=True)
    # of this collection alone: another of the same store may have jobs of the same runs
    tales = Path(tempfile.mkdtemp(prefix="told-", dir=folder))
    told = {task.run_id: tales / f"{task.run_id}.progress" for task in tasks}
    heard = dict.fromkeys(told, 0)
    local = options.slurm.get(CLUSTER) == "local"
    jobs, tally = dict[str, Any](), Tally(tasks, bars)
    try:
        with _errors_into(folder / "submitit.err") if local else nullcontext():
            jobs = _submitted(executor, [Job(task, str(told[task.run_id])) for task in tasks])
        while jobs:
            for run_id, job in list(jobs.items()):
                done = job.done()
                heard[run_id] = _listen(bars, told[run_id], heard[run_id])
                if not done:
                    _show(bars, run_id, told[run_id])
                    continue
                problem = _problem(run_id, jobs.pop(run_id))
                tally.end(run_id, problem, job.result() if problem is None else None)
            if jobs:
                time.sleep(_LOOK_EVERY)
    finally:
        for job in jobs.values():
            job.cancel()
        shutil.rmtree(tales, ignore_errors=True)
    return tally.result()


def _submitted(executor: Any, work: Sequence[Job]) -> dict[str, Any]:
    """The queued jobs by run. Raises `UsageError` where the cluster refuses them, as for a partition that there is not."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        with executor.batch():
            return {each.task.run_id: executor.submit(each) for each in work}
    except OSError as error:
        raise UsageError(f"--engine slurm: the jobs cannot be queued ({error})") from None
    except (FailedJobError, FailedSubmissionError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = next((line for line in lines if "error:" in line), lines[-1] if lines else "")
        raise UsageError(
            f"--engine slurm: the cluster refuses the jobs ({said[:_LONGEST]})"
        ) from None


@contextmanager
def _errors_into(log: Path) -> Iterator[None]:
    """Let processes that start inside print their errors into a file.

    Each job on this machine (cluster=local) is watched by a process of submitit's, which ends with a traceback when its job
    is cancelled. Errors of the runs are in their own logs.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with log.open("ab") as stream:
            os.dup2(stream.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _executor(folder: Path, tasks: Sequence[Task], options: Options) -> Any:
    import submitit

    wanted = dict(options.slurm)
    cluster = wanted.pop(CLUSTER, "slurm")
    if cluster not in _CLUSTERS:
        raise UsageError(
            f"--engine slurm: {CLUSTER}={cluster}: it is one of {', '.join(_CLUSTERS)}"
        )
    missing = cluster == "slurm" and shutil.which("sbatch") is None
    minutes = wanted.pop("timeout_min", "1440")  # a day
    if not minutes.isdecimal() or not int(minutes):
        raise UsageError(f"--engine slurm: timeout_min={minutes}: it is a number of minutes")
    try:
        # Without a cluster here the parameters are checked all the same, by an executor that any machine has.
        executor = submitit.AutoExecutor(folder=folder, cluster="debug" if missing else cluster)
        executor.update_parameters(
            name="emergence-stats",
            cpus_per_task=1,
            gpus_per_node=1 if tasks[0].device.startswith("cuda") else 0,
            mem_gb=max(task.memory() for task in tasks) / 1e9,
            timeout_min=int(minutes),
            slurm_array_parallelism=options.jobs or len(tasks),
            **{f"slurm_{name}": value for name, value in wanted.items()},
        )
    except (RuntimeError, NameError, ValueError, TypeError) as error:
        raise UsageError(f"--engine slurm: {_of_parameters(str(error))}") from None
    if missing:
        raise UsageError(
            "--engine slurm: there is no sbatch on this machine; call it where jobs are submitted, or say --slurm cluster=local, which "
            "trains on this machine"
        )
    return executor


def _of_parameters(said: str) -> str:
    """What is wrong with parameters, in a line of what submitit says: it lists all that there are."""
    unknown = re.search(r"Unknown argument '(\w+)'.*?Valid arguments: ([\w, ]+)", said)
    if unknown is None:
        return said.partition("\n")[0][:_LONGEST]
    near = difflib.get_close_matches(unknown[1], unknown[2].split(", "), 1)
    return f"there is no parameter {unknown[1]}" + (f"; did you mean {near[0]}?" if near else "")


def _show(bars: Bars, run_id: str, told: Path) -> None:
    try:
        step, loss = json.loads(told.read_text())
    except (OSError, ValueError):
        return
    bars.show(run_id, step, loss, each=False)


def _said_in(told: str | Path) -> Path:
    """Where a job writes what it says, beside where it tells how far it is."""
    return Path(told).with_suffix(".said")


def _listen(bars: Bars, told: Path, heard: int) -> int:
    """Show what a job has said since `heard` lines; returns how many there are now."""
    try:
        lines = _said_in(told).read_text("utf-8").splitlines()
    except OSError:
        return heard
    for line in lines[heard:]:
        bars.say(line)
    return len(lines)


def _problem(run_id: str, job: Any) -> Exception | None:
    error = job.exception()
    if error is None:
        return None
    return CollectError(f"run {run_id} failed: {_last_word(str(error))} (logs: {job.paths.stderr})")


def _last_word(said: str) -> str:
    """What a job died of, in a line of what submitit says of it: the end of the traceback, which it puts between two rules."""
    _, ruled, rest = said.partition(f"\n{_RULE}")
    trace = rest.partition(f"\n{_RULE}")[0] if ruled else said.partition("\n")[0]
    lines = [line.strip() for line in trace.splitlines() if line.strip(" -")]
    found = lines[-1] if lines else "nothing more is said"
    return re.sub(r"^(\w+\.)+(?=\w+(Error|Exception|Interrupt)\b)", "", found)
