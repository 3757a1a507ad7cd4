"""The limit of a machine, and the operations that a model takes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

SIDE = 1024  # of the matrices: large enough that the processor alone is the limit
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_PRODUCTS = f"""
import sys, time
import numpy as np
a, b = np.random.default_rng(0).random((2, {SIDE}, {SIDE}), dtype=np.float32)
out = a @ b
for _ in sys.stdin:
    start = time.perf_counter()
    np.matmul(a, b, out=out)
    print(2 * {SIDE}**3 / (time.perf_counter() - start) / 1e9, flush=True)
"""


class MatrixProduct:
    """Products of numpy matrices, float32, in a process of their own, whose number of threads is thereby known."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def __enter__(self) -> Self:
        environment = os.environ | dict.fromkeys(VARIABLES, str(self.threads))
        command = [sys.executable, "-c", _PRODUCTS]
        self.process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()  # it ends with its input

    def gflops(self) -> float:
        """Billions of floating point operations a second, in one product."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def count_flops(folder: Path, sample: Any) -> int | None:
    """Floating point operations of scoring one sample: those of convolutions and matrix products, as torch counts them.

    None without torch, for a method that it does not know, and for one whose work lies elsewhere.
    """
    try:
        from torch.utils.flop_counter import FlopCounterMode

        from algan_ad.workflows.model import load_trained
    except ImportError:
        return None
    model = load_trained(folder, "cpu", threads=1)
    with FlopCounterMode(display=False) as counter:
        model.whole.score(sample)
    return counter.get_total_flops() or None
