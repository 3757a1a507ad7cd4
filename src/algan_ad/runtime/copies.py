"""Model folders copied without what is not the model's, and without what concerns its maker alone."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.files import refuse_to_replace
from algan_ad.runtime.model_folder import CONFIG, ModelConfig, rewrite_config, verify_model

LISTS_OF_FILES = ("skipped", "left_out_by_group")  # in `training` of a configuration


def copy_model(source: Path, target: Path, overwrite: bool = False) -> ModelConfig:
    """Copy the files of a model, whole or not at all, and verify them; reports and other files stay behind.

    Raises InputError for a folder that is no model or damaged, and for files that are there without `overwrite`.
    """
    config = verify_model(source)
    contents = {name: (source / name).read_bytes() for name in config.files}
    write_copy(target, config, contents, overwrite)
    return config


def write_copy(target: Path, config: ModelConfig, contents: Mapping[str, bytes], overwrite: bool = False) -> None:
    """Write a model of these files. Raises InputError for files that are there without `overwrite`."""
    refuse_to_copy_over(target, contents, overwrite)
    rewrite_config(target, config.model_copy(update={"files": {}}), contents)


def refuse_to_copy_over(target: Path, names: Iterable[str], overwrite: bool) -> None:
    """Raises InputError for a model, or files of these names, that are there without `overwrite`."""
    if (target / CONFIG).exists() and not overwrite:
        raise InputError(f"{target}: holds a model already; choose another folder, or set ", Option("overwrite", True))
    refuse_to_replace([target / name for name in names], [], overwrite)


def without_places(config: ModelConfig) -> ModelConfig:
    """The same model without names of training files and without paths of the machine that trained it.

    The SHA-256 of the training images stay, so that an evaluation still leaves those images out.
    """
    plan = {name: entry.model_copy(update={"value": _last(entry.value)}) for name, entry in config.plan.items()}
    fingerprint = {**config.fingerprint}
    if isinstance(files := fingerprint.get("files"), dict):
        fingerprint["files"] = {str(i): digest for i, digest in enumerate(files.values())}
    training = {name: _last(value) for name, value in config.training.items() if name not in LISTS_OF_FILES}
    return config.model_copy(update={"plan": plan, "fingerprint": fingerprint, "training": training})


def _last(value: Any) -> Any:
    """A value in which every path is reduced to the name of its file."""
    if isinstance(value, list):
        return [_last(each) for each in value]
    return re.split(r"[/\\]", value)[-1] if isinstance(value, str) else value
