"""Errors, by exit status. A message names the file or the option, what was expected, and what to do.

The library speaks Python (`epochs=0`), the command line speaks dashes (`--epochs 0`). A message is therefore made of
parts, and a part that names a setting is an `Option`: `InputError("too few samples; set ", Option("batch_size", 4))`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_UNSET: Any = object()


@dataclass(frozen=True)
class Option:
    """A setting that a message names, with or without its value."""

    name: str
    value: Any = _UNSET

    def __str__(self) -> str:
        """The setting in the words of Python: batch_size=4, or batch_size."""
        return self.name if self.value is _UNSET else f"{self.name}={self.value!r}"

    @property
    def dashed(self) -> str:
        """The setting in the words of the command line: --batch-size 4, or --batch-size."""
        option = f"--{self.name.replace('_', '-')}"
        return option if self.value is _UNSET or self.value is True else f"{option} {self.value}"


def plain(parts: Iterable[object]) -> str:
    """A message in the words of Python."""
    return "".join(map(str, parts))


def dashed(parts: Iterable[object]) -> str:
    """A message in the words of the command line."""
    return "".join(part.dashed if isinstance(part, Option) else str(part) for part in parts)


class AlganError(Exception):
    """An error that the command line reports without a stack trace (exit status 1)."""

    def __str__(self) -> str:
        return plain(self.args)


class InputError(AlganError, ValueError):
    """A file, folder, array or option that cannot be used as it is (exit status 2)."""


class MissingExtra(AlganError, ImportError):
    """An optional part of the package that is not installed (exit status 2)."""


class ExportRefused(AlganError):
    """A model of which no network can be made, or none that scores as the model does (exit status 1)."""


class TrainingDiverged(AlganError):
    """Training that produced NaN, or a discriminator with one output for everything (exit status 1)."""
