"""`algan export`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from algan_ad.cli.parsing import Json, ModelFolder, emit, parse
from algan_ad.runtime.errors import InputError, Option


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
    int8: Annotated[
        Path | None,
        arg(
            metavar="FOLDER",
            help="instead write a model whose network computes in 8-bit integers, with a threshold of its own, into "
            "this folder; --samples then names the images that the model was trained with",
        ),
    ] = None
    overwrite: Annotated[bool, arg(help="replace files that no export made, or a model in --int8")] = False
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Export, "export", argv)
    return _export_int8(o, o.int8) if o.int8 is not None else _export(o)


def _export(o: Export) -> int:
    from algan_ad.runtime.running import NETWORK
    from algan_ad.workflows.export import export_model

    agreement = export_model(o.model, o.samples, o.openvino, o.overwrite)
    place = o.model / NETWORK
    result = {"model": str(o.model), "network": str(place), "self_test": asdict(agreement)}
    return emit(result, o.json, lambda console: console.print(f"{place}: {agreement.explain()}", soft_wrap=True))


def _export_int8(o: Export, out: Path) -> int:
    from algan_ad.runtime.running import NETWORK
    from algan_ad.workflows.int8 import quantise_model

    if o.openvino:
        raise InputError(Option("openvino", True), ": OpenVINO reads the int8 network as it is; leave it out")
    if o.samples is None:
        raise InputError(
            Option("int8", str(out)), ": expected the images that the model was trained with, as ", Option("samples")
        )
    price = quantise_model(o.model, out, o.samples, o.overwrite)
    place = out / NETWORK
    result = {"model": str(out), "network": str(place), "quantisation": price.model_dump()}
    return emit(result, o.json, lambda console: console.print(f"{place}: {price.explain()}", soft_wrap=True))
