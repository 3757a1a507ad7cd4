"""The methods, in a file each, with one contract (`shared/contract.py`). A new method is one file and one row
(`catalog.py`).

`METHODS[name]` imports that one method; listing the names imports none.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from algan_ad.detectors.catalog import CATALOG, Method
from algan_ad.runtime.errors import InputError, Option

if TYPE_CHECKING:
    from algan_ad.detectors.shared.contract import Detector
    from algan_ad.training.device import DeviceName

__all__ = ["CATALOG", "METHODS", "Method", "create_detector", "find_method", "list_methods"]


class _Methods(Mapping[str, "type[Detector]"]):
    """Classes of the methods by name, each imported when it is asked for."""

    def __init__(self, catalog: tuple[Method, ...]) -> None:
        self._homes = {each.name: each.home for each in catalog}

    def __getitem__(self, name: str) -> "type[Detector]":
        module, _, kind = self._homes[name].partition(":")
        found: type[Detector] = getattr(import_module(f"{__name__}.{module}"), kind)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


METHODS: Mapping[str, "type[Detector]"] = _Methods(CATALOG)


def list_methods() -> list[Method]:
    """All methods, each with its input, its outputs and a sentence about it (`summary`). Imports none of them."""
    return list(CATALOG)


def find_method(name: str) -> "type[Detector]":
    """The class of a method. Raises InputError for an unknown name, and suggests the nearest known one."""
    if name in METHODS:
        return METHODS[name]
    near = get_close_matches(name, METHODS, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(METHODS)}"
    raise InputError(Option("method", name), f": not known; {hint}")


def create_detector(name: str, *, device: "DeviceName" = "auto", **settings: Any) -> "Detector":
    """Make an unfitted detector: `create_detector("patchcore", coreset=0.01)`.

    Args:
        name: one of `list_methods()`.
        device: "auto", "cpu", "cuda" or "mps".
        settings: fields of the method's `Config`; the others keep their defaults.

    Raises:
        InputError: an unknown method or setting, or a value out of bounds.
    """
    method = find_method(name)
    return method(method.Config(**settings), device)
