"""The base of every configuration that is read from or written to JSON."""

import reprlib
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from algan_ad.runtime.errors import InputError


class Schema(BaseModel):
    """A frozen pydantic model of finite values, without unknown fields; bad values are reported as `InputError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError(f"{type(self).__name__}: {describe(error)}") from None


def describe(error: ValidationError) -> str:
    """One line that names every offending field, what was expected and what was found."""
    return "; ".join(describe_one(each) for each in error.errors(include_url=False))


def describe_one(details: ErrorDetails) -> str:
    """The field, what was expected and what was found."""
    message = details["msg"].removeprefix("Value error, ")
    name = ".".join(map(str, details["loc"]))
    return f"{name}: {message} (found {reprlib.repr(details['input'])})" if name else message
