"""What the benches share: a load server on one core, prefpipe as a whole process on the other, and their figures."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
CLIENT_CORE, SERVER_CORE = _CORES[0], _CORES[-1]

# A process starts with its parent's peak of memory, so a small one stands between.
_MEASURE = (
    "import resource, subprocess, sys, time; t = time.perf_counter(); "
    "code = subprocess.run(sys.argv[1:]).returncode; w = time.perf_counter() - t; "
    "u = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "sys.stdout.write(f'\\n{u.ru_utime + u.ru_stime} {w} {u.ru_maxrss / 1024}'); sys.exit(code)"
)


class Cost(NamedTuple):
    """What a process took: CPU and wall seconds, and the peak memory of its largest process in MB."""

    cpu: float
    wall: float
    memory: float


def pinned(core: int, arguments: list[str]) -> list[str]:
    """Return the command that runs on one core only, where the system lets one choose."""
    return ["taskset", "-c", str(core), *arguments] if shutil.which("taskset") else arguments


def measured(
    arguments: list[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    *,
    on_all_cores: bool = False,
) -> Cost:
    """Run a process, on the client's core alone unless told otherwise.

    Raises:
        RuntimeError: It failed; with the end of what it said.
    """
    command = [sys.executable, "-c", _MEASURE, *arguments]
    done = subprocess.run(
        command if on_all_cores else pinned(CLIENT_CORE, command),
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | (environment or {}),
        cwd=folder,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}\n{done.stderr[-4000:]}")
    return Cost(*map(float, done.stdout.rpartition("\n")[2].split()))


@contextmanager
def load_server(kind: str, **options: float) -> Iterator[str]:
    """Run a load server on a core of its own; yield its base URL."""
    given = [f"{key}={value}" for key, value in options.items()]
    command = pinned(SERVER_CORE, [sys.executable, str(HERE / "load_server.py"), kind, *given])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield next(iter(process.stdout or ())).strip()
        process.communicate()


def figures(url: str) -> dict[str, Any]:
    """Return what a load server counted."""
    with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - a loopback server of our own
        counts: dict[str, Any] = json.load(response)
    return counts


def rate(counts: Mapping[str, Any], start: int, end: int) -> float:
    """Return the answers a second between two deciles of all answers."""
    deciles = counts["deciles"]
    return float(counts["given"]["answer"] * (end - start) / 10 / (deciles[end] - deciles[start]))


def prefpipe(*arguments: object) -> list[str]:
    """Return the command line of a prefpipe process."""
    return [sys.executable, "-m", "prefpipe.cli", *map(str, arguments)]
