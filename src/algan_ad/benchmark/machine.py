"""The machine that figures and times come from, and the memory that a run takes."""

import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch

from algan_ad.runtime.errors import InputError
from algan_ad.training.device import DeviceName, pick_device


def machine(device: DeviceName, threads: int) -> dict[str, Any]:
    """Processor, cores, threads of a run, torch, and the device, or the reason why it is not available."""
    try:
        kind = pick_device(device).type
    except InputError as error:  # the run failed for this reason
        kind = str(error)
    return {
        "cpu": _cpu(), "cores": os.cpu_count(), "threads": threads, "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if kind == "cuda" else kind,
    }  # fmt: skip


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or a processor without a name
        return platform.processor() or platform.machine()


def reset_peak() -> None:
    """Forget how much memory earlier runs in this process took."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # not Linux: the peak is that of the whole process
        return


def peak_mb(device: torch.device) -> float:
    """Peak memory since `reset_peak` in MiB: that of the GPU if one computes, else that of the process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(kilobytes / 1024, 1)
