"""Write options.md from the schemas: `python docs/make_options.py`. A test insists that the page is current."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from algan_ad.detectors import CATALOG, METHODS
from algan_ad.detectors.shared.algan_adversary import AlganConfig
from algan_ad.detectors.shared.algan_on_patches import OnPatchesConfig
from algan_ad.detectors.shared.feature_pass import OptionalBackbone, PooledConfig, PyramidConfig
from algan_ad.detectors.shared.ganomaly_training import EncodingConfig
from algan_ad.detectors.shared.image_gan import ImageSize
from algan_ad.detectors.shared.trained_by_epochs import TrainingConfig
from algan_ad.runtime.schema import Schema
from algan_ad.workflows.options import TrainOptions

PAGE = Path(__file__).with_name("options.md")

INTRODUCTION = """\
# Options of `algan train`

Each is an option of the command line, a field in Python (with underscores: `algan_ad.train(..., seed=1)`, and
`config={"epochs": 64}` for those of a method), and an entry of `plan` in the model's `config.json`. Numbers in brackets
are sections and equations of the thesis. This page is written by `docs/make_options.py` from the schemas themselves.
"""

#: Settings that several methods have, under one heading each; a method's own table holds the rest, and other defaults.
SHARED: tuple[tuple[str, type[Schema]], ...] = (
    ("Training by epochs", TrainingConfig),
    ("ALGAN", AlganConfig),
    ("ALGAN on patches", OnPatchesConfig),
    ("Networks on pixels", ImageSize),
    ("GANomaly's losses", EncodingConfig),
    ("Vectors, or images through a backbone", OptionalBackbone),
    ("A backbone, pooled", PooledConfig),
    ("A backbone, as maps", PyramidConfig),
)


def page() -> str:
    """The whole text."""
    parts = [INTRODUCTION, "## Every method\n", table(TrainOptions.model_fields)]
    for title, schema in SHARED:
        parts += [f"## {title}\n", f"Of {_listed(_with(schema))}.\n", table(_own(schema))]
    parts.append("## Of one method\n")
    for method in CATALOG:
        config = METHODS[method.name].Config
        bases = [(title, schema) for title, schema in SHARED if issubclass(config, schema)]
        known = {name: of.default for _, schema in bases for name, of in schema.model_fields.items()}
        own = {n: of for n, of in config.model_fields.items() if n not in known or of.default != known[n]}
        beside = ", ".join(f"[{title}](#{_anchor(title)})" for title, _ in bases if title)
        parts.append(f"### {method.name}\n")
        parts.append(f"{method.summary}. Beside {beside}:\n" if bases else f"{method.summary}.\n")
        parts.append(table(own) if own else "No settings of its own.\n")
    return "\n".join(parts)


def table(fields: dict[str, FieldInfo]) -> str:
    """One row an option."""
    rows = [
        f"| `{_option(name, of)}` | {_default(of.default)} | {_range(of)} | {_cell(of.description or '')} |"
        for name, of in fields.items()
    ]
    return "\n".join(["| option | default | values | meaning |", "|---|---|---|---|", *rows, ""])


def _own(schema: type[Schema]) -> dict[str, FieldInfo]:
    """The fields that no shared schema above it declares with the same default."""
    bases = [base for _, base in SHARED if base is not schema and issubclass(schema, base)]
    above = {name: of.default for base in bases for name, of in base.model_fields.items()}
    return {n: of for n, of in schema.model_fields.items() if n not in above or of.default != above[n]}


def _with(schema: type[Schema]) -> list[str]:
    return [method.name for method in CATALOG if issubclass(METHODS[method.name].Config, schema)]


def _listed(names: Iterable[str]) -> str:
    *most, last = (f"`{name}`" for name in names)
    return f"{', '.join(most)} and {last}" if most else last


def _option(name: str, of: FieldInfo) -> str:
    """A flag that is on by default is turned off by its name."""
    return f"--{'no-' if of.default is True else ''}{name.replace('_', '-')}"


def _default(value: Any) -> str:
    if value is None or value is False or value is True or value == ():
        return {True: "on", False: "off"}.get(value, "") if isinstance(value, bool) else ""
    if isinstance(value, tuple):
        return f"`{' '.join(map(str, value))}`"
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


def _range(of: FieldInfo) -> str:
    choices = _choices(of.annotation)
    if choices:
        return ", ".join(f"`{each}`" for each in choices)
    low = next((f"{m.ge:g} or more" for m in of.metadata if isinstance(m, Ge)), "")
    low = next((f"more than {m.gt:g}" for m in of.metadata if isinstance(m, Gt)), low)
    high = next((f"at most {m.le:g}" for m in of.metadata if isinstance(m, Le)), "")
    high = next((f"less than {m.lt:g}" for m in of.metadata if isinstance(m, Lt)), high)
    return ", ".join(filter(None, (low, high)))


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a Literal, wherever it stands in the type; `True` and `False` where None stands beside a bool."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    inside = get_args(annotation)
    if bool in inside:
        return (True, False)
    return next((found for each in inside if (found := _choices(each))), ())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(title: str) -> str:
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
