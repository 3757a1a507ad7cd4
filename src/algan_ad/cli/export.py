"""`algan export`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from algan_ad.cli.parsing import Json, ModelFolder, emit, parse


@dataclass
class Export:
    """Write the network of a model, network.onnx, which scores without torch, into its folder.

    It is refused unless its scores are those of the trained model, on good samples and on altered ones.
    """

    model: ModelFolder
    samples: Annotated[
        Path | None,
        arg(
            help="good images, or a table of good vectors, that the model was not trained on, to check with",
            help_behavior_hint="(default: those that an earlier export left in the model)",
        ),
    ] = None
    openvino: Annotated[
        bool,
        arg(help="also write network.xml and network.bin, OpenVINO's own form; without it those of before are removed"),
    ] = False
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Export, "export", argv)
    from algan_ad.runtime.running import NETWORK
    from algan_ad.workflows.export import export_model

    agreement = export_model(o.model, o.samples, o.openvino)
    place = o.model / NETWORK
    result = {"model": str(o.model), "network": str(place), "self_test": asdict(agreement)}
    return emit(result, o.json, lambda console: console.print(f"{place}: {agreement.explain()}", soft_wrap=True))
