"""The way a network is run, and what a runtime gives back: the part that ONNX Runtime and OpenVINO share."""

from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol

from pydantic import Field

from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.schema import Schema

NETWORK = "network.onnx"
IR = ("network.xml", "network.bin")  # the same network as OpenVINO keeps it: structure, constants
PREFIX = "algan_ad."  # of the properties that an export leaves in a network
MOST_BYTES = 2**31 - 1  # of a protobuf message, which an ONNX file is


class Running(Schema):
    """The way a network is run. Each default suits a production machine without an accelerator."""

    runtime: Literal["onnx", "openvino"] = Field("onnx", description="ONNX Runtime, or OpenVINO")
    threads: int | None = Field(None, ge=1, description="threads of one operation; None = the physical cores")
    provider: str | None = Field(
        None, description="execution provider of ONNX Runtime, or device of OpenVINO; None = the processor"
    )
    batch_size: int = Field(16, ge=1, description="samples that are scored at once")


class Session(Protocol):
    """A network that is ready to run. Several threads may run it at once.

    inputs: name, type as numpy names it, and shape of each; a dimension that is free is no number. properties: those
    that the export left.
    """

    name: str
    properties: dict[str, str]
    inputs: list[tuple[str, str, list[Any]]]
    outputs: list[str]

    def run(self, outputs: list[str], samples: Any) -> list[Any]:
        """These outputs for one batch."""


def read_network(path: Path) -> bytes:
    """The content of an ONNX file. Raises InputError for one that is larger than such a file can be."""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise InputError(f"{path}: {size} bytes, more than an ONNX file holds; export the model again")
    return path.read_bytes()


def refuse_provider(provider: str, has: str, known: list[str]) -> NoReturn:
    """Raises InputError for a provider that is none of those known."""
    raise InputError(Option("provider", provider), f": not in this {has}, which has {', '.join(known)}")
