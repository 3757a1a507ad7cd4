"""Images out of requests: the body itself, or the files of a form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import HTTPException, Query, Request
from pydantic import Field, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile

PART_PATTERN = r"^[^\x00-\x1f\x7f]{1,200}$"
PartNumber = Annotated[
    str | None,
    Query(pattern=PART_PATTERN, description="part number; a request repeated with it gets the same inspection again"),
]
_FIELDS = TypeAdapter(Annotated[str, Field(pattern=PART_PATTERN)])
ModelName = Annotated[str | None, Query(max_length=200, description="name of the model, where there are several")]


@dataclass(frozen=True)
class Received:
    """Images in their order; of a form also the part numbers, None for an empty one, and the name of the model."""

    images: Sequence[bytes]
    numbers: Sequence[str | None] = ()
    model: str | None = None


async def receive(request: Request, most: int) -> Received:
    """The images of a request: files of a form, all named `image`, or the body.

    Raises HTTPException: 422 without image or with more than `most`.
    """
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _of_form(request, most)
    body = await request.body()
    if not body:
        raise HTTPException(422, "expected an image: the body of the request, or a form with a file named image")
    return Received([body])


async def _of_form(request: Request, most: int) -> Received:
    async with request.form(max_files=most, max_fields=most + 8, max_part_size=4096) as form:
        items = form.multi_items()
        files = [value for name, value in items if name == "image" and isinstance(value, UploadFile)]
        if not files:
            raise HTTPException(422, "expected a file named image in the form")
        numbers = [_field(name, value) for name, value in items if name == "part"]
        if numbers and len(numbers) != len(files):
            raise HTTPException(422, f"expected a part for each of the {len(files)} images, found {len(numbers)}")
        return Received([await each.read() for each in files], numbers, _field("model", form.get("model")))


def _field(name: str, value: object) -> str | None:
    """A field of a form, None for an empty one; it must be as a part number of an address. Raises HTTPException 422."""
    try:
        return _FIELDS.validate_python(value) if value else None
    except ValidationError:
        raise HTTPException(422, f"{name}: expected at most 200 characters, all of them printable") from None
