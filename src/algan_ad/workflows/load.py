"""The one door to a model folder. It needs no torch if the folder holds a network that needs none."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from algan_ad.runtime.errors import MissingExtra
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scorer, Scores
from algan_ad.runtime.sessions import OnnxScorer, has_network, load_predictor

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
            folder holds one and no device is asked for, and torch only for maps that the network does not draw.
        threads: threads of one operation while scoring; None = the physical cores.

    Returns:
        A `Predictor`; under torch a `Model`, which holds the detector, too.

    Raises:
        InputError: a folder that is damaged, too new, or without an exported network under "onnx"; threads below 1.
    """
    folder = Path(folder)
    if runtime == "onnx":
        return load_predictor(folder, threads)
    if runtime == "auto" and device == "auto" and has_network(folder):
        predictor = load_predictor(folder, threads)
        assert isinstance(predictor.scorer, OnnxScorer)
        return replace(predictor, scorer=MapsByTorch(predictor.scorer, folder, threads))
    from algan_ad.workflows.model import load_trained

    return load_trained(folder, device, threads)


@dataclass(frozen=True)
class MapsByTorch:
    """The network for the scores; torch, imported when it is first needed, for maps that the network does not draw."""

    network: OnnxScorer
    folder: Path
    threads: int | None

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
            raise MissingExtra(
                "the network of this model gives scores only: leave out the maps, or install algan-ad[train]"
            ) from error
        return load_trained(self.folder, "cpu", self.threads).scorer
