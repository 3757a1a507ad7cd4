"""Images out of the tensors of a KServe v2 request, as JSON or as binary data behind it."""

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from io import BytesIO
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.schema import describe
from algan_ad.service.api.bodies import PART_PATTERN


class Tensor(BaseModel):
    """An input: UINT8 pixels (n, H, W, 3) or (H, W, 3), or BYTES (n,), image files, in JSON as base64."""

    model_config = ConfigDict(extra="allow")

    name: str
    datatype: Literal["UINT8", "BYTES"]
    shape: list[int] = Field(min_length=1, max_length=4)
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class Parameters(BaseModel):
    """Parameters of a request. part: number of the one part in it; a request repeated with it gets the same answer."""

    model_config = ConfigDict(extra="allow")

    part: str | None = Field(default=None, pattern=PART_PATTERN)


class InferRequest(BaseModel):
    """The part of a request that is JSON. Outputs that are asked for are given in any case."""

    model_config = ConfigDict(extra="allow")

    id: str | None = Field(default=None, pattern=r"^[^\x00]*$")  # which refuses halves of characters, too
    parameters: Parameters | None = None
    inputs: list[Tensor] = Field(min_length=1, max_length=1)

    @property
    def part(self) -> str | None:
        """The part number, if there is one."""
        return None if self.parameters is None else self.parameters.part


def read_request(body: bytes, json_length: str | None) -> tuple[InferRequest, list[bytes]]:
    """The request, and its images as files. json_length: the header Inference-Header-Content-Length.

    Raises InputError for anything that is no request for one tensor of images.
    """
    try:
        length = len(body) if json_length is None else int(json_length)
        request = InferRequest.model_validate(json.loads(body[:length]))
    except ValidationError as error:
        raise InputError(describe(error)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a request of the KServe v2 protocol ({error})") from error
    tensor = request.inputs[0]
    if min(tensor.shape) < 1:
        raise InputError(f"inputs.0.shape: expected sizes of 1 or more (found {tensor.shape})")
    binary = body[length:] if "binary_data_size" in tensor.parameters else None
    images = list((_files if tensor.datatype == "BYTES" else _encoded)(tensor, binary))
    if request.part is not None and len(images) != 1:
        raise InputError(f"parameters.part: names one part, and there are {len(images)} images")
    return request, images


def _files(tensor: Tensor, binary: bytes | None) -> Iterator[bytes]:
    if binary is None:
        try:
            contents = [base64.b64decode(each, validate=True) for each in tensor.data or []]
        except (TypeError, ValueError, binascii.Error) as error:
            raise InputError(f"inputs.0.data: expected image files in base64 ({error})") from error
    else:
        contents = list(_lengths_and_contents(binary))
    if len(contents) != prod(tensor.shape):
        raise InputError(f"inputs.0: {len(contents)} images, and the shape {tensor.shape}")
    yield from contents


def _lengths_and_contents(binary: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(binary):
        if at + 4 > len(binary):
            raise InputError("inputs.0: the binary data ends within a length")
        (length,) = struct.unpack_from("<I", binary, at)
        yield binary[at + 4 : at + 4 + length]
        at += 4 + length


def _encoded(tensor: Tensor, binary: bytes | None) -> Iterator[bytes]:
    """Pixels as PNG files, which the store keeps and the one decoder reads."""
    shape = tensor.shape if len(tensor.shape) == 4 else [1, *tensor.shape]
    if len(shape) != 4 or shape[3] != 3:
        raise InputError(f"inputs.0.shape: expected (n, H, W, 3) or (H, W, 3) (found {tensor.shape})")
    pixels = _pixels(tensor) if binary is None else np.frombuffer(binary, np.uint8)
    if pixels.size != prod(shape):
        raise InputError(f"inputs.0: {pixels.size} values, and the shape {tensor.shape}")
    for image in pixels.reshape(shape):
        buffer = BytesIO()
        Image.fromarray(image).save(buffer, "png", compress_level=1)
        yield buffer.getvalue()


def _pixels(tensor: Tensor) -> NDArray[np.uint8]:
    try:
        values = np.array(tensor.data, np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"inputs.0.data: expected integers ({error})") from error
    if values.size and (values.min() < 0 or values.max() > 255):
        raise InputError("inputs.0.data: expected integers from 0 to 255")
    return values.astype(np.uint8)
