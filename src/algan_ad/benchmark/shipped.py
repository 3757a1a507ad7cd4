"""The plans that ship with the package, by name. Listing them needs Python alone: no method, no data set, no torch."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import NamedTuple


class Shipped(NamedTuple):
    """An entry in the list of plans. `reference`: the table or figure of the thesis, or nothing."""

    name: str
    title: str
    reference: str


def shipped() -> list[str]:
    """Names of the plans."""
    return sorted(path.relative_to(_home()).with_suffix("").as_posix() for path in _home().rglob("*.toml"))


def shipped_file(name: str) -> Path:
    """The file of a plan."""
    return _home() / f"{name}.toml"


def titles() -> list[Shipped]:
    """All plans with their titles; the plans are not checked."""
    read = {name: tomllib.loads(shipped_file(name).read_text(encoding="utf-8")) for name in shipped()}
    return [Shipped(name, raw["title"], raw.get("reference", "")) for name, raw in read.items()]


def _home() -> Path:
    return Path(str(resources.files("algan_ad.benchmark") / "plans"))
