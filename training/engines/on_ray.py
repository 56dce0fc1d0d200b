"""Runs as tasks of a Ray cluster that is there, or of this machine if no address is given."""

from __future__ import annotations

import importlib.util
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from emergence_stats.errors import UsageError

from .bars import Bars
from .outcome import Outcome, Tally, failure_of
from .task import Options, Task, heard_by

_PATIENCE = 10.0  # seconds for a cluster to answer
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_HEALTH = 30.0  # and to say that it is one, by a command of Ray's that has to start first


def run(tasks: Sequence[Task], options: Options, bars: Bars) -> int:
    """Train the runs wherever the cluster has room; returns how many were written.

    A run whose worker or node is lost starts again elsewhere, `options.retries` times, from what the store's disk kept of it if
    all nodes share that, else from its beginning. After the first failure no further run starts.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--engine ray needs the extra `ray`: pip install 'emergence-stats[ray]'")
    import ray

    with _session(options.address):
        _check_fits(tasks)
        board = _board()
        waiting, tally = list(tasks), Tally(tasks, bars)
        running: dict[Any, Task] = {}
        try:
            while running or (waiting and tally.failure is None):
                while (
                    waiting
                    and tally.failure is None
                    and len(running) < (options.jobs or len(tasks))
                ):
                    task = waiting.pop(0)
                    running[_submit(task, board, options.retries)] = task
                ended, _ = ray.wait(list(running), timeout=0.5)
                going = {task.run_id for task in running.values()}
                latest, said = ray.get(board.take.remote())
                for run_id, step, loss in latest:
                    if run_id in going:  # a last word may come after the end
                        bars.show(run_id, step, loss, each=False)
                for text in said:
                    bars.say(text)
                for reference in ended:
                    task = running.pop(reference)
                    tally.end(task.run_id, *_end(task, reference))
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
    return tally.result()


@contextmanager
def _session(address: str | None) -> Iterator[None]:
    import ray

    if ray.is_initialized():
        yield
        return
    _check_listens(address)
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            include_dashboard=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"--address {address}: no Ray cluster can be joined there ({error})"
            if address
            else f"--engine ray: Ray does not start on this machine ({error})"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_listens(address: str | None) -> None:
    """Raise `UsageError` where no Ray cluster listens at HOST:PORT: Ray itself would wait for minutes."""
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdecimal() or "://" in host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"--address {address}: nothing answers there ({error})") from None
    asked = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", str(address)]
    try:
        subprocess.run(asked, capture_output=True, timeout=_HEALTH)
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"--address {address}: what answers there is no Ray cluster; its port is the one that `ray start` prints"
        ) from None


def _needs(task: Task) -> dict[str, Any]:
    """What a run asks of a node."""
    on_gpu = task.device.startswith("cuda")
    return {"num_cpus": 1, "num_gpus": 1 if on_gpu else 0, "memory": task.memory()}


def _check_fits(tasks: Sequence[Task]) -> None:
    """Raise `UsageError` for a run that no node has room for: it would wait for ever."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for task in tasks:
        needs = _needs(task)
        if not any(
            node.get("CPU", 0) >= 1
            and node.get("GPU", 0) >= needs["num_gpus"]
            and node.get("memory", 0) >= needs["memory"]
            for node in nodes
        ):
            raise UsageError(
                f"no node of the Ray cluster has room for {task.run_id}: it needs a CPU, "
                f"{needs['num_gpus']} GPU{'' if needs['num_gpus'] == 1 else 's'} and {needs['memory'] / 1e9:.1f} GB"
            )


def _board() -> Any:
    """Where the workers write how far they are: an actor beside this process, which no lost node takes with it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Board:
        def __init__(self) -> None:
            self._latest: dict[str, tuple[int, float]] = {}
            self._said: list[str] = []

        def put(self, run_id: str, step: int, loss: float) -> None:
            self._latest[run_id] = (step, loss)

        def say(self, text: str) -> None:
            self._said.append(text)

        def take(self) -> tuple[list[tuple[str, int, float]], list[str]]:
            found = [(run_id, *at) for run_id, at in self._latest.items()]
            said, self._said = self._said, []
            self._latest.clear()
            return found, said

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()


def _submit(task: Task, board: Any, retries: int) -> Any:
    import ray

    remote = ray.remote(_train).options(max_retries=retries, **_needs(task))
    return remote.remote(task, board)


def _train(task: Task, board: Any) -> Outcome:
    import ray

    from emergence_training.engines.outcome import attempt

    def told(step: int, _steps: int, loss: float) -> None:
        board.put.remote(task.run_id, step, loss)

    try:
        with heard_by(lambda text: ray.get(board.say.remote(text))):
            return attempt(task, told)
    except Exception as error:
        raise failure_of(task.run_id, error) from None


def _end(task: Task, reference: Any) -> tuple[Exception | None, Outcome | None]:
    """Why a run failed, or how it ended."""
    import ray

    try:
        return None, ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return failure_of(task.run_id, error.cause if error.cause is not None else error), None
    except ray.exceptions.RayError as error:
        lost = OSError(f"its worker was lost for good ({_in_a_line(str(error))})")
        return failure_of(task.run_id, lost), None


def _in_a_line(said: str) -> str:
    """The first sentence of what Ray says of a loss, which goes on for lines of advice in a terminal's colours."""
    plain = _COLOURS.sub("", said).strip()
    return plain.partition("\n")[0].partition(". ")[0].rstrip(".") or "Ray does not say why"
