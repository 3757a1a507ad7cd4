"""The one door to a model folder. It needs no torch if the folder holds a network that needs none."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scorer, Scores
from algan_ad.runtime.running import NETWORK, Running
from algan_ad.runtime.sessions import SCORES_ONLY, NetworkScorer, has_network, load_predictor

if TYPE_CHECKING:
    from algan_ad.training.device import DeviceName

Runtime = Literal["auto", "onnx", "openvino", "torch"]


def load_model(
    folder: str | Path, device: "DeviceName" = "auto", runtime: Runtime = "auto", threads: int | None = None,
    provider: str | None = None, batch_size: int | None = None,
) -> Predictor:  # fmt: skip
    """Read a model folder and check every file in it.

    Args:
        folder: the folder that `algan_ad.train` or `algan train` wrote.
        device: the device on which torch scores; a network without torch scores where its provider does.
        runtime: "onnx" runs the exported network in ONNX Runtime, "openvino" in OpenVINO, "torch" the weights; "auto"
            takes ONNX Runtime where the folder holds a network and no device is asked for, and torch only for maps that
            the network does not draw.
        threads: threads of one operation while scoring; None = the physical cores.
        provider: execution provider of ONNX Runtime, or device of OpenVINO; None = the processor.
        batch_size: samples that the network scores at once; None = 16.

    Returns:
        A `Predictor`; under torch a `Model`, which holds the detector, too. Several threads may share either. Pickled,
        one with a network names its files.

    Raises:
        InputError: a folder that is damaged, too new, or without an exported network under "onnx" and "openvino"; a
            number below 1; a provider that is not there; a provider or a batch_size where torch scores; an int8 model
            where torch would score.
        MissingExtra: a runtime that is not installed.
    """
    folder = Path(folder)
    wishes = {"threads": threads, "provider": provider, "batch_size": batch_size}
    wishes = {name: value for name, value in wishes.items() if value is not None}
    running = Running(runtime="openvino" if runtime == "openvino" else "onnx", **wishes)
    if runtime in {"onnx", "openvino"}:
        return load_predictor(folder, running)
    if runtime == "auto" and device == "auto" and has_network(folder):
        predictor = load_predictor(folder, running)
        assert isinstance(predictor.scorer, NetworkScorer)
        return replace(predictor, scorer=MapsByTorch(predictor.scorer, folder))
    for name in ("provider", "batch_size"):
        if name in wishes:
            raise InputError(Option(name), f": is for {NETWORK}, and torch scores here; leave it out")
    from algan_ad.workflows.model import load_trained

    model = load_trained(folder, device, threads)
    if model.config.quantisation is not None:
        raise InputError(f"{folder}: an int8 model, whose threshold is that of {NETWORK}; torch would score otherwise")
    return model


@dataclass(frozen=True)
class MapsByTorch:
    """The network for the scores; torch, imported when it is first needed, for maps that the network does not draw."""

    network: NetworkScorer
    folder: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return MapsByTorch, (self.network, self.folder.resolve())

    @property
    def runtime(self) -> str:
        """The name of the runtime of the scores, for people."""
        return self.network.runtime

    def score(self, samples: Rows) -> Scores:
        return self.network.score(samples)

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        if self.network.draws_maps:
            return self.network.score_and_maps(samples)
        maps = self._trained.score_and_maps(samples)[1]
        return self.network.score(samples), maps

    @cached_property
    def _trained(self) -> Scorer:
        try:
            from algan_ad.workflows.model import load_trained
        except ModuleNotFoundError as error:
            raise MissingExtra(SCORES_ONLY) from error
        return load_trained(self.folder, "cpu", self.network.running.threads).scorer
