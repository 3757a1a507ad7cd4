"""The one door to a model folder. It needs no torch if the folder holds a network that needs none."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from algan_ad.runtime.predictor import Predictor
from algan_ad.runtime.sessions import has_network, load_predictor

if TYPE_CHECKING:
    from algan_ad.training.device import DeviceName

Runtime = Literal["auto", "onnx", "torch"]


def load_model(
    folder: str | Path, device: "DeviceName" = "auto", runtime: Runtime = "auto", threads: int | None = None
) -> Predictor:
    """Read a model folder and check every file in it.

    Args:
        folder: the folder that `algan_ad.train` or `algan train` wrote.
        device: the device on which torch scores; a network without torch scores on the CPU.
        runtime: "onnx" runs the exported network without torch, "torch" the weights; "auto" takes the network where the
            folder holds one and no device is asked for.
        threads: threads of one operation while scoring; None = the physical cores.

    Returns:
        A `Predictor`; under torch a `Model`, which holds the detector, too.

    Raises:
        InputError: a folder that is damaged, too new, or without an exported network under "onnx"; threads below 1.
    """
    if runtime == "onnx" or (runtime == "auto" and device == "auto" and has_network(Path(folder))):
        return load_predictor(Path(folder), threads)
    from algan_ad.workflows.model import load_trained

    return load_trained(Path(folder), device, threads)
