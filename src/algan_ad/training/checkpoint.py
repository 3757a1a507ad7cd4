"""Nested training state in one safetensors file: tensors as tensors, the rest as JSON in the header."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from algan_ad.runtime.errors import AlganError, InputError, Option
from algan_ad.runtime.files import replacing

SCHEMA_VERSION = 3


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dictionaries and lists of tensors and JSON values; the last good file survives a failure.

    Raises AlganError when the disk is full, InputError when `path` cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    skeleton = _take_tensors(state, tensors)
    header = {"schema_version": str(SCHEMA_VERSION), "skeleton": json.dumps(skeleton)}
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, header)
        except SafetensorError as error:  # the system's error, as text only
            raise AlganError(
                f"{path}: not saved ({error}); a previous version, if any, is intact. Free some space and go on "
                "from there."
            ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state that `save_checkpoint` wrote, tensors on the CPU. Raises InputError for a damaged or newer file."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            version = int(header.get("schema_version", 0))
            if version != SCHEMA_VERSION:
                raise InputError(
                    f"{path}: checkpoint of schema {version}, expected {SCHEMA_VERSION}; start the run again"
                )
            # Copies: the file's own memory is not aligned as torch's is, and sums would differ in their last bits.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a whole checkpoint ({error}); start the run again without ", Option("resume")
        ) from error
    return _put_tensors(json.loads(header["skeleton"]), tensors)  # type: ignore[no-any-return]


def _take_tensors(node: Any, tensors: dict[str, Tensor]) -> Any:
    """Replace each tensor by its number, and dictionaries by pairs, because JSON has no integer keys."""
    if isinstance(node, Tensor):
        tensors[str(len(tensors))] = node.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": str(len(tensors) - 1)}
    if isinstance(node, dict):
        return {"pairs": [[key, _take_tensors(value, tensors)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        return {"list": [_take_tensors(value, tensors) for value in node]}
    return {"value": node}


def _put_tensors(node: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "pairs":
        return {key: _put_tensors(value, tensors) for key, value in content}
    if kind == "list":
        return [_put_tensors(value, tensors) for value in content]
    return content
