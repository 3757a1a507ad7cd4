"""The base of every configuration that is read from or written to JSON."""

import reprlib
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from algan_ad.runtime.errors import InputError, Option, plain

Parts = list[str | Option]  # of a message


class Schema(BaseModel):
    """A frozen pydantic model of finite values, without unknown fields; bad values are reported as `InputError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError(*parts_of(error)) from None


def parts_of(error: ValidationError) -> Parts:
    """A message that names every offending field, what was expected and what was found."""
    first, *others = map(_parts, error.errors(include_url=False))
    return [*first, *(part for other in others for part in ("; ", *other))]


def describe(error: ValidationError) -> str:
    """The message of `parts_of` as one line of text."""
    return plain(parts_of(error))


def describe_one(details: ErrorDetails) -> str:
    """One offending field, what was expected and what was found."""
    return plain(_parts(details))


def _parts(details: ErrorDetails) -> Parts:
    cause = details.get("ctx", {}).get("error")
    message: Parts = (
        list(cause.args) if isinstance(cause, InputError) else [details["msg"].removeprefix("Value error, ")]
    )
    if not details["loc"]:
        return message
    field, *inside = map(str, details["loc"])
    place = "".join(f".{each}" for each in inside)
    return [Option(field), f"{place}: ", *message, f" (found {reprlib.repr(details['input'])})"]
