"""Export of a trained model: the network in its folder that scores without torch, and the samples that prove it."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from algan_ad.export.check import check, check_samples
from algan_ad.export.graph import make_network
from algan_ad.runtime.errors import ExportRefused, InputError, MissingExtra, Option
from algan_ad.runtime.files import refuse_to_replace
from algan_ad.runtime.listing import images_below
from algan_ad.runtime.model_folder import ModelConfig, rewrite_config, verify_model
from algan_ad.runtime.openvino_session import to_ir
from algan_ad.runtime.predictor import Rows
from algan_ad.runtime.progress import log
from algan_ad.runtime.running import IR, NETWORK, Running
from algan_ad.runtime.self_test import SELF_TEST, Agreement, Reference, read_reference, self_test
from algan_ad.runtime.sessions import NetworkScorer
from algan_ad.runtime.tiles import samples_of
from algan_ad.workflows.model import Model, load_trained

N_READ = 64  # images of a folder that a check looks at


def export_model(
    folder: str | Path, samples: str | Path | None = None, openvino: bool = False, overwrite: bool = False
) -> Agreement:
    """Write network.onnx into a model folder, and the samples that repeat its check anywhere.

    Args:
        folder: a model that `algan train` wrote.
        samples: good images or a table of good vectors that the model was not trained on, to check the network with;
            None = those that an earlier export left in the folder.
        openvino: also write network.xml and network.bin, the same network in OpenVINO's own form; False removes them.
        overwrite: replace files of these names, too, that no export made.

    Returns:
        The agreement of the network with the trained model, as it lies in the folder.

    Raises:
        InputError: no model, a damaged one, no samples to check with, or files of these names that no export made.
        ExportRefused: a method without a network, or one that does not score as the model does.
        MissingExtra: the packages of an export, or OpenVINO, are not installed.
    """
    folder = Path(folder)
    model = load_trained(folder, "cpu")
    if model.config.quantisation is not None:
        raise InputError(f"{folder}: an int8 model, which is exported already")
    if model.detector.not_exported:
        raise ExportRefused(f"{folder}: {model.detector.name} has no network: {model.detector.not_exported}")
    names = (NETWORK, SELF_TEST, *IR)
    refuse_to_replace([folder / name for name in names if name not in model.config.files], [], overwrite)
    found = _known_samples(folder, model.config) if samples is None else _given_samples(model, Path(samples))
    others = {name: digest for name, digest in model.config.files.items() if name not in IR}
    rewrite_config(folder, model.config.model_copy(update={"files": others}), _files(model, found, openvino))
    return self_test(folder)


def add_network_if_any(folder: Path, model: Model, held_out: Rows) -> None:
    """Export a model that has just been saved into a folder; for one that is not exported, a line with the reason.

    held_out: samples that the model was not trained on.
    """
    try:
        files = network_files(model, held_out)
    except (ExportRefused, MissingExtra) as error:
        log(f"no {NETWORK}: {error}")
    else:
        rewrite_config(folder, verify_model(folder), files)


def network_files(model: Model, held_out: Rows) -> dict[str, bytes]:
    """Content of network.onnx and of its self-test, by name. Raises ExportRefused as `export_model` does.

    held_out: samples that the model was not trained on.
    """
    return _files(model, check_samples(held_out, model.detector.views))


def _files(model: Model, samples: NDArray[Any], openvino: bool = False) -> dict[str, bytes]:
    weights = hashlib.sha256(save(model.detector.tensors())).hexdigest()
    content = make_network(model.detector, torch.from_numpy(samples[:1]), model.config, weights)
    with TemporaryDirectory(prefix="algan-") as place:  # a runtime shall read files, as it will
        network = Path(place) / NETWORK
        network.write_bytes(content)
        reference = _checked(model, network, samples, Running())
        files = {NETWORK: content, SELF_TEST: reference.to_bytes()}
        if openvino:
            files |= to_ir(network)
            _checked(model, network.with_name(IR[0]), samples, Running(runtime="openvino"))
    return files


def _checked(model: Model, path: Path, samples: NDArray[Any], running: Running) -> Reference:
    """The reference of a network that scores as the model does. Raises ExportRefused for any other."""
    try:
        scorer = NetworkScorer(path, running)
    except InputError as error:
        raise ExportRefused(f"the network does not run: {error}") from error
    return check(model.detector, scorer, samples, model.config.calibration)


def _known_samples(folder: Path, config: ModelConfig) -> NDArray[Any]:
    if SELF_TEST not in config.files:
        raise InputError(
            f"{folder}: holds no samples to check an export with; name good ones that it was not trained on: ",
            Option("samples"),
        )
    return read_reference(folder, config.files).samples


def _given_samples(model: Model, source: Path) -> NDArray[Any]:
    if model.config.input == "vector":
        return check_samples(model.samples(source))
    paths = list(images_below(source)) if source.is_dir() else [source]
    if not paths:
        raise InputError(f"{source}: no images found; expected good ones that the model was not trained on")
    assert model.config.preprocessing is not None  # an image model's
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, N_READ, dtype=np.int64))]
    return check_samples(samples_of(model.samples(chosen), model.config.preprocessing), model.detector.views)
