"""Footprint of the runtime without torch: megabytes on disk, time to import, time to the first score, memory.

    python -m venv lean && lean/bin/pip install .
    lean/bin/python benchmarks/footprint.py MODEL IMAGE [--runtime openvino]

Each figure is the median of fresh processes of the Python that runs this script. Processor time counts all threads.
What a bare Python takes is not taken off.
"""

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

RUNS = 7
NOT_OURS = ("pip", "setuptools", "wheel")  # that a virtual environment brings
BARE, IMPORT = "pass", "import algan_ad"
SCORE = "import sys, algan_ad; m, i, r = sys.argv[1:]; algan_ad.load_model(m, runtime=r, threads=1).score(i)"


def megabytes(folder: Path) -> float:
    """All that is installed, except what a virtual environment brings."""
    kept = [each for each in folder.iterdir() if each.name.split("-")[0] not in NOT_OURS]
    files = [file for each in kept for file in ([each] if each.is_file() else each.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def measured(program: str, *arguments: str) -> tuple[float, float, float]:
    """Seconds of the clock, seconds of the processor and megabytes of memory of a fresh process: medians."""
    found = []
    for _ in range(RUNS):
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", program, *arguments])
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{program}: exit status {status}")
        found.append((time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3))
    wall, processor, memory = (statistics.median(each) for each in zip(*found, strict=True))
    return wall, processor, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with network.onnx")
    parser.add_argument("image")
    parser.add_argument("--runtime", choices=("onnx", "openvino"), default="onnx")
    options = parser.parse_args()
    print(f"on disk: {megabytes(Path(sysconfig.get_paths()['purelib'])):.0f} MB")
    for name, program in (("bare Python", BARE), ("import algan_ad", IMPORT), ("first score", SCORE)):
        wall, processor, memory = measured(program, options.model, options.image, options.runtime)
        print(f"{name}: {wall:.2f} s, of the processor {processor:.2f} s, {memory:.0f} MB of memory")


if __name__ == "__main__":
    main()
