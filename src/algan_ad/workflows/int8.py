"""An int8 model, made from a trained one: faster, at a price that is measured and bounded."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algan_ad.data.fingerprint import divided, hash_files
from algan_ad.export.check import check_samples, units
from algan_ad.export.graph import make_network, with_properties
from algan_ad.export.quantise import price, quantise
from algan_ad.report.cards import model_card
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.copies import refuse_to_copy_over, write_copy
from algan_ad.runtime.errors import ExportRefused, InputError, Option
from algan_ad.runtime.images import Preprocessing, load_many
from algan_ad.runtime.listing import images_below
from algan_ad.runtime.model_folder import CARD, WEIGHTS, ModelConfig
from algan_ad.runtime.quantisation import MOST_SHIFT, Quantisation
from algan_ad.runtime.running import IR, NETWORK
from algan_ad.runtime.self_test import SELF_TEST, Reference, self_test
from algan_ad.runtime.sessions import NetworkScorer
from algan_ad.runtime.tiles import samples_of, whole
from algan_ad.workflows.evaluate import remove_reports
from algan_ad.workflows.maps import highest_values
from algan_ad.workflows.model import Model, load_trained

N_RANGES = 64  # images of the training, each with an altered copy, that set the ranges of the integers
N_JUDGED = 128  # held-out images, likewise, that the price is measured on
LEAST = 16  # of either, for a method that looks at many views of an image


def quantise_model(folder: str | Path, out: str | Path, samples: str | Path, overwrite: bool = False) -> Quantisation:
    """Write an int8 model beside a trained one: a model folder, whose network computes in 8-bit integers.

    The held-out images that set the threshold are scored again by the new network, so that the threshold of the new
    model keeps the promise of the old one.

    Args:
        folder: a model of images that `algan train` wrote.
        out: a folder to make.
        samples: the folder of images that the model was trained with. Those of the training and those that set the
            threshold are found by their content.
        overwrite: replace a model in `out`.

    Returns:
        The price of the int8 network against the trained model, which the new model keeps, too.

    Raises:
        InputError: no model of images with a threshold, or images that are not those it was made with.
        ExportRefused: a method without a network, or a price beyond the bounds of `runtime/quantisation.py`.
        MissingExtra: the packages of an export are not installed.
    """
    folder, out = Path(folder), Path(out)
    model = load_trained(folder, "cpu")
    framing, calibration = _quantisable(model, folder)
    if out.resolve() == folder.resolve():
        raise InputError(f"{out}: is the model itself; name another folder")
    refuse_to_copy_over(out, model.config.files, overwrite)
    trained_on, held_out = _images(model, framing, Path(samples))
    with TemporaryDirectory(prefix="algan-") as place:
        config, network, reference = _quantised(model, framing, calibration, trained_on, held_out, Path(place))
    kept = [name for name in model.config.files if name not in (NETWORK, SELF_TEST, CARD, *IR)]
    contents = {name: (folder / name).read_bytes() for name in kept}
    card = model_card(config, [name for name in kept if name.endswith(".png")]).encode()
    remove_reports(out)  # those of a model that was there
    write_copy(out, config, {**contents, NETWORK: network, SELF_TEST: reference, CARD: card}, overwrite)
    self_test(out)
    assert config.quantisation is not None
    return config.quantisation


def _quantisable(model: Model, folder: Path) -> tuple[Preprocessing, Calibration]:
    """The framing and the calibration, which an int8 model needs. Raises as `quantise_model` does."""
    config = model.config
    if config.protocol != "normal-only":
        raise InputError(
            f"{folder}: trained by protocol {config.protocol}, whose other images hold anomalies; int8 is for "
            "normal-only"
        )
    if config.quantisation is not None:
        raise InputError(f"{folder}: an int8 model already; name the model that it was made from")
    if model.detector.not_exported:
        raise ExportRefused(f"{folder}: {model.detector.name} has no network: {model.detector.not_exported}")
    if config.preprocessing is None:
        raise InputError(f"{folder}: scores vectors, whose network is small; int8 is for images")
    if config.calibration is None:
        raise InputError(f"{folder}: has no threshold to set again; train it again to get one")
    return config.preprocessing, config.calibration


def _images(model: Model, framing: Preprocessing, source: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pictures that the model was trained on, at most N_RANGES, and all that set its threshold."""
    paths = list(images_below(source)) if source.is_dir() else []
    known = dict(zip(hash_files(paths), paths, strict=True))
    trained_on, held_out = divided(model.config.fingerprint, model.config.training["n_train"])
    missing = sum(digest not in known for digest in held_out)
    chosen = [known[digest] for digest in trained_on if digest in known][:N_RANGES]
    if missing or not held_out or not chosen:
        found = sum(digest in known for digest in trained_on)
        raise InputError(
            f"{source}: holds {len(held_out) - missing} of the {len(held_out)} images that set the threshold and "
            f"{found} of the {len(trained_on)} that were trained on; name the folder that the model was trained with: ",
            Option("samples"),
        )
    pictures = [known[digest] for digest in held_out]
    return load_many(chosen, framing, strict=True).images, load_many(pictures, framing, strict=True).images


def _quantised(
    model: Model, framing: Preprocessing, calibration: Calibration, trained_on: NDArray[Any], held_out: NDArray[Any],
    place: Path,
) -> tuple[ModelConfig, bytes, bytes]:  # fmt: skip
    """The configuration of the int8 model, its network and its self-test. Raises ExportRefused for too high a price."""
    detector, config, weights = model.detector, model.config, model.config.files[WEIGHTS]
    views = detector.views
    ranges = check_samples(samples_of(trained_on, framing), views, max(N_RANGES, LEAST * views))
    plain = make_network(detector, torch.from_numpy(ranges[:1]), config, weights)
    network = quantise(plain, ranges)
    (place / NETWORK).write_bytes(network)
    scorer = NetworkScorer(place / NETWORK)
    again = Calibration(**{**dict(calibration), "scores": whole(scorer, framing).score(held_out)})
    judged = check_samples(samples_of(held_out, framing), views, max(N_JUDGED, LEAST * views))
    before = detector.score(judged)
    found = price((before, calibration), (scorer.score(judged), again))
    if excesses := list(found.excesses()):
        raise ExportRefused(f"{found.explain()}; allowed: {', '.join(excesses)}")
    peaks = config.map_peaks
    if peaks is not None and scorer.draws_maps:
        peaks = highest_values(whole(scorer, framing), held_out)
    config = config.model_copy(
        update={"calibration": again, "map_peaks": peaks, "quantisation": found, "threshold_history": ()}
    )
    reference = Reference(judged, before, MOST_SHIFT * units(before, np.asarray(calibration.scores)))
    return config, with_properties(network, config, weights), reference.to_bytes()
