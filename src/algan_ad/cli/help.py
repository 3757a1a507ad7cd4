"""Options as --help shows them: with a default where it says something, in words that are not Python's."""

import re
from collections.abc import Collection, Iterator
from dataclasses import field, fields, is_dataclass, make_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo
from tyro.conf import FlagConversionOff, arg

from algan_ad.runtime.schema import Schema

# "weights file; None = downloaded" in Python is "weights file (default: downloaded)" here.
_DERIVED = re.compile(r"; None = ([^;]*)")


def options_of(schema: type[Schema], names: Collection[str] | None = None) -> type[Any]:
    """The fields of a schema as a dataclass for `parse`, which leaves bounds and their errors to the schema itself."""
    return make_dataclass(
        schema.__name__,
        [
            (name, _option(info), field(default=info.default))
            for name, info in schema.model_fields.items()
            if names is None or name in names
        ],
        namespace={"__doc__": schema.__doc__},
    )


def explained(kind: type[Any]) -> type[Any]:
    """The same dataclass of options, except that a default is shown only where it says something."""
    return make_dataclass(kind.__name__, list(_fields(kind)), namespace={"__doc__": kind.__doc__})


def _option(info: FieldInfo) -> Any:
    text = info.description or ""
    if info.default is True:  # as an option it is --no-NAME
        text = f"leave out {text}"
    derived = _DERIVED.search(text)
    words = arg(help=_DERIVED.sub("", text), help_behavior_hint=f"(default: {derived[1]})" if derived else _default)
    # A wish of yes or no that is None by default is no flag, because False is another wish than None.
    values = [FlagConversionOff] if info.annotation == bool | None else []
    return Annotated[info.annotation, words, *values]


def _fields(kind: type[Any]) -> Iterator[tuple[str, Any, Any]]:
    hints = get_type_hints(kind, include_extras=True)
    for each in fields(kind):
        hint = hints[each.name]
        if isinstance(hint, type) and is_dataclass(hint):  # a group of options
            group = explained(hint)
            yield each.name, group, field(default_factory=group)
        else:
            bare, *others = get_args(hint) if get_origin(hint) is Annotated else (hint,)
            yield each.name, Annotated[bare, arg(help_behavior_hint=_default), *others], field(default=each.default)


def _default(label: str) -> str:
    """The default in words; nothing for a flag, None or an empty list, which the text explains."""
    return "" if label in ("", "None", "True", "False") else f"(default: {label})"
