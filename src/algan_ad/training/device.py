"""Device and precision of training, chosen by rule and never by timing, so that a machine repeats its bits."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import torch

from algan_ad.runtime.errors import InputError, Option

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]


def pick_device(name: DeviceName) -> torch.device:
    """The device of a name; `auto` takes CUDA, then MPS, then the CPU. Raises InputError for one that is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    if not present.get(name):
        raise InputError(
            Option("device", name), f": not available here; expected one of {[k for k, v in present.items() if v]}"
        )
    return torch.device(name)


def repeatable() -> AbstractContextManager[None]:
    """The same algorithms on every run: CUDA would otherwise choose by timing, and add in any order."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    return flags


def pick_precision(name: Precision, device: torch.device) -> torch.dtype:
    """The dtype of a name; `auto` takes bfloat16 where the processor multiplies it natively, else float32."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if native else torch.float32
    return torch.float32


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Set the threads of one operation for a while; None keeps torch's choice (the physical cores, or OMP_NUM_THREADS).

    Raises InputError below 1.
    """
    before = torch.get_num_threads()
    if threads is not None:
        if threads < 1:
            raise InputError(Option("threads", threads), ": expected 1 or more")
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
