"""Images out of requests: the body itself, or the files of a form, within the time that a request may take."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import HTTPException, Query, Request
from starlette.datastructures import UploadFile

from algan_ad.service.settings import Settings

PART_PATTERN = r"^[^\x00-\x1f\x7f]{1,200}$"
PartNumber = Annotated[
    str | None,
    Query(pattern=PART_PATTERN, description="part number; a request repeated with it gets the same inspection again"),
]
ModelName = Annotated[str | None, Query(max_length=200, description="name of the model, where there are several")]


@dataclass(frozen=True)
class Received:
    """Images in their order; of a form also the part numbers, None for an empty one, and the name of the model."""

    images: Sequence[bytes]
    numbers: Sequence[str | None] = ()
    model: str | None = None


async def receive(request: Request, settings: Settings, most: int) -> Received:
    """The images of a request: files of a form, all named `image`, or the body.

    Raises HTTPException: 408 for a sender that is too slow, 422 without image or with more than `most`.
    """
    try:
        async with asyncio.timeout(settings.body_seconds):
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                return await _of_form(request, most)
            body = await request.body()
    except TimeoutError:
        raise HTTPException(408, f"the request took longer than {settings.body_seconds:g} s to arrive") from None
    if not body:
        raise HTTPException(422, "expected an image: the body of the request, or a form with a file named image")
    return Received([body])


async def _of_form(request: Request, most: int) -> Received:
    async with request.form(max_files=most, max_fields=most + 8, max_part_size=4096) as form:
        items = form.multi_items()
        files = [value for name, value in items if name == "image" and isinstance(value, UploadFile)]
        if not files:
            raise HTTPException(422, "expected a file named image in the form")
        numbers = [_number(value) for name, value in items if name == "part" and isinstance(value, str)]
        if numbers and len(numbers) != len(files):
            raise HTTPException(422, f"expected a part for each of the {len(files)} images, found {len(numbers)}")
        model = form.get("model")
        return Received([await each.read() for each in files], numbers, model if isinstance(model, str) else None)


def _number(text: str) -> str | None:
    """A part number of a form, which must be as one of the address. Raises HTTPException 422."""
    if text and not re.fullmatch(PART_PATTERN, text):
        raise HTTPException(422, "part: expected at most 200 characters, all of them printable")
    return text or None
