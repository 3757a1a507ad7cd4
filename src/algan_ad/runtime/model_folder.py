"""A fitted detector on disk: config.json, weights.safetensors and, where it was exported, the network itself.

Saving stages all files in a sub-folder and commits them by one rename; only then do they move into place. A
save that fails or is killed before the commit leaves the previous model as it was; a save killed after the commit
is completed when the folder is opened next. Files that are not the model's are never touched.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, Field, JsonValue, ValidationError, field_validator, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.files import (
    explaining_write_errors,
    flush_to_disk,
    read_json,
    refuse_to_replace,
    sha256,
    write_json,
)
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.protocols import Protocol
from algan_ad.runtime.quantisation import Quantisation
from algan_ad.runtime.schema import Schema, describe

SCHEMA_VERSION: Final = 2
CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
CARD = "README.md"
METRICS = "metrics.jsonl"
_STAGED = ".saving"  # may be incomplete
_COMMITTED = ".saved"  # complete, not yet in place

Tensors = dict[str, NDArray[Any]]


class PlanEntry(Schema):
    """One setting of the run, its origin and, if it is derived, the reason."""

    value: JsonValue
    origin: Literal["fixed", "derived", "user"]
    reason: str | None = None


class ThresholdChange(Schema):
    """A false alarm rate set after training, with its threshold, and the former rate and threshold."""

    when: AwareDatetime = Field(description="UTC")
    old_rate: float
    old_threshold: float
    new_rate: float
    new_threshold: float
    reason: str | None = None


class ModelConfig(Schema):
    """Everything about a fitted detector except its tensors; the content of config.json."""

    schema_version: Literal[2] = SCHEMA_VERSION
    method: str = Field(description="name of the detector")
    plan: dict[str, PlanEntry] = Field(description="every setting of the run")
    input: Literal["image", "vector"]
    preprocessing: Preprocessing | None = Field(default=None, description="None for vectors")
    columns: tuple[str, ...] | None = Field(
        default=None, description="names of a vector's numbers, in order; None: matched by position"
    )
    maps: Literal["own", "attribution"] | None = Field(
        default=None, description="origin of a map: the method itself, or an attribution of the score"
    )
    map_peaks: tuple[float, ...] | None = Field(
        default=None, description="highest value of the own map of each held-out example; None: there are no own maps"
    )
    calibration: Calibration | None = Field(default=None, description="None: scores without decisions")
    threshold_history: tuple[ThresholdChange, ...] = Field(default=(), description="oldest first")
    quantisation: Quantisation | None = Field(
        default=None, description="price of the int8 network that scores in place of the weights; None: there is none"
    )
    protocol: Protocol
    selection: str = Field(description="choice of the epoch or the setting, in words")
    fingerprint: dict[str, JsonValue] = Field(description="content of the training data")
    seed: int
    versions: dict[str, str] = Field(description="of the packages it was made with")
    training: dict[str, JsonValue] = Field(description="epochs, seconds, device, ...")
    files: dict[str, str] = Field(default={}, description="SHA-256 by name; filled in by `write_model`")

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if not re.fullmatch(r"\w[\w.-]*", name) or name == CONFIG:  # nothing outside the folder
                raise InputError(f"{name!r} is not a file name of letters, digits, '.', '-' and '_'")
        return files

    @model_validator(mode="after")
    def _images_are_preprocessed(self) -> "ModelConfig":
        if (self.input == "image") != (self.preprocessing is not None):
            raise InputError("preprocessing belongs to input 'image', and only to it")
        return self

    @property
    def identity(self) -> str:
        """16 hexadecimal digits that stand for the model and its threshold, but not for the history of that."""
        return _digest(self.model_dump(mode="json", exclude={"threshold_history"}))[:16]

    @property
    def map_level(self) -> float | None:
        """The value above which a pixel of a map counts as anomalous; None without own maps or calibration.

        It is the conformal threshold of the highest values of held-out maps, at the wanted rate of false alarms: that
        share of good examples has any pixel above it.
        """
        if self.map_peaks is None or self.calibration is None:
            return None
        return Calibration(scores=self.map_peaks, false_alarm_rate=self.calibration.false_alarm_rate).threshold

    def with_false_alarm_rate(self, rate: float, reason: str | None = None) -> "ModelConfig":
        """The same model with another threshold, from the same held-out scores, and a record of the change.

        Raises InputError for a model without calibration and for a rate outside [1e-6, 1).
        """
        old = self.calibration
        if old is None:
            raise InputError("this model has no calibration: train it again to get a threshold")
        if rate == old.false_alarm_rate:
            return self
        new = old.with_rate(rate)
        change = ThresholdChange(
            when=datetime.now(UTC).replace(microsecond=0),
            old_rate=old.false_alarm_rate, old_threshold=old.threshold,
            new_rate=rate, new_threshold=new.threshold, reason=reason,
        )  # fmt: skip
        return self.model_copy(update={"calibration": new, "threshold_history": (*self.threshold_history, change)})


def write_model(
    folder: Path,
    config: ModelConfig,
    tensors: Mapping[str, NDArray[Any]],
    extra_files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> None:
    """Save a model, whole or not at all; `extra_files` are further contents by plain file name.

    Raises InputError when the folder holds a model, or another file of one of these names, and `overwrite` is not set,
    and when it cannot be written to; AlganError when the disk is full.
    """
    in_order = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}  # safetensors needs it
    contents = {**(extra_files or {}), WEIGHTS: save(in_order)}
    config = ModelConfig(**{**dict(config), "files": _hashes(contents)})
    with explaining_write_errors(folder):
        _put_in_place(folder)
        if (folder / CONFIG).exists() and not overwrite:
            raise InputError(
                f"{folder}: already holds a model; choose another folder, or set ", Option("overwrite", True)
            )
    refuse_to_replace([folder / name for name in contents], [], overwrite)
    _commit(folder, config, contents)


def rewrite_config(folder: Path, config: ModelConfig, changed_files: Mapping[str, bytes]) -> ModelConfig:
    """Replace the configuration of a model and the contents of some of its files, or add files, whole or not at all.

    `verify_model` must have read the model before. The weights and all other files stay as they are. Returns the
    configuration with the SHA-256 of the changed files. Raises as `write_model` does.
    """
    config = ModelConfig(**{**dict(config), "files": config.files | _hashes(changed_files)})
    _commit(folder, config, changed_files)
    return config


def _hashes(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def _commit(folder: Path, config: ModelConfig, contents: Mapping[str, bytes]) -> None:
    """Write these files and the configuration beside the model, then put them in place."""
    values = config.model_dump(mode="json")
    with explaining_write_errors(folder):
        staged = folder / _STAGED
        shutil.rmtree(staged, ignore_errors=True)  # of a save that was killed
        try:
            staged.mkdir(parents=True)
            for name, content in contents.items():
                (staged / name).write_bytes(content)
                flush_to_disk(staged / name)
            write_json(staged / CONFIG, values | {"sha256": _digest(values)})
            os.rename(staged, folder / _COMMITTED)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        _put_in_place(folder)


def _put_in_place(folder: Path) -> None:
    """Move a committed save into the folder; can be repeated when it was cut short."""
    committed = folder / _COMMITTED
    if not committed.is_dir():
        return
    if (committed / CONFIG).exists():
        _remove_stale_files(folder, set(_read_config(committed).files))
    for path in sorted(committed.iterdir(), key=lambda path: path.name == CONFIG):  # config.json last
        os.replace(path, folder / path.name)
    committed.rmdir()


def _remove_stale_files(folder: Path, wanted: set[str]) -> None:
    try:
        previous = set(_read_config(folder).files)
    except InputError:  # no model, or one too damaged to know its files
        return
    for name in previous - wanted:
        (folder / name).unlink(missing_ok=True)


def verify_model(folder: Path) -> ModelConfig:
    """Read the configuration and verify all files: `folder / name` can then be opened for each of `config.files`.

    Raises InputError when the folder or a file is missing, truncated or altered, or made by another version.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such model folder; check the path.")
    with explaining_write_errors(folder):
        _put_in_place(folder)
    config = _read_config(folder)
    for name, expected in config.files.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: missing from the model, or not a file; copy the model folder again.")
        if sha256(path) != expected:
            raise InputError(f"{path}: truncated or altered since it was saved; copy the model folder again.")
    return config


def read_model(folder: Path) -> tuple[ModelConfig, Tensors]:
    """A model that `verify_model` has verified, with its tensors. Raises InputError as that does."""
    config = verify_model(folder)
    try:
        return config, load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{folder / WEIGHTS}: not a safetensors file ({error}).") from error


def _read_config(folder: Path) -> ModelConfig:
    path = folder / CONFIG
    if not path.exists():
        raise InputError(f"{folder}: not a model folder, or an incomplete one ({CONFIG} is missing).")
    values = read_json(path)
    version = values.get("schema_version") if isinstance(values, dict) else None
    if type(version) is not int:  # True is an int, too
        raise InputError(f"{path}: not the configuration of a model (it has no schema_version).")
    if version != SCHEMA_VERSION:
        raise InputError(f"{path}: {_other_version(version)}")
    if values.pop("sha256", None) != _digest(values):
        raise InputError(
            f"{path}: changed since it was saved; copy the model folder again. "
            "A threshold is changed with: algan threshold"
        )
    try:
        config = ModelConfig.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {describe(error)}") from error
    if WEIGHTS not in config.files:
        raise InputError(f"{path}: lists no {WEIGHTS}; copy the model folder again.")
    return config


def _other_version(version: int) -> str:
    if version > SCHEMA_VERSION:
        return (
            f"made by a newer algan-ad (schema {version}, this one reads {SCHEMA_VERSION}); "
            "upgrade with: pip install --upgrade algan-ad"
        )
    return f"made by an older algan-ad (schema {version}, this one reads {SCHEMA_VERSION}); train the model again."


def _digest(values: dict[str, Any]) -> str:
    """SHA-256 of the content of config.json, whatever the layout of its text. It reveals accidents.

    It is no signature, because anyone who changes a model on purpose can compute it.
    """
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
