"""How long the command line takes to answer: `--help`, a stage's help, and the smallest useful command.

    python bench/startup.py

Whole processes, medians of fifteen runs.
"""

import statistics
import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "prefpipe --help": ["-m", "prefpipe.cli", "--help"],
    "prefpipe judge --help": ["-m", "prefpipe.cli", "judge", "--help"],
    "import prefpipe.pipeline": ["-c", "import prefpipe.pipeline"],
}


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


for name, arguments in COMMANDS.items():
    seconds(arguments)
    taken = [seconds(arguments) for _ in range(RUNS)]
    print(f"{name:<28} {statistics.median(taken) * 1000:6.0f} ms   (min {min(taken) * 1000:.0f})")
