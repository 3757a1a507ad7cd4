"""The jinja environment of the page. That of the reports belongs to `report/`, which the station does without."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_environment = Environment(
    loader=PackageLoader("algan_ad.service.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def render(template: str, **values: Any) -> str:
    """A template of this folder, filled in and escaped."""
    return _environment.get_template(template).render(values)
