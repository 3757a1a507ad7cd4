"""The complete plan of a run: every setting with the origin of its value."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from algan_ad.runtime.model_folder import PlanEntry
from algan_ad.runtime.schema import Schema

Plan = dict[str, PlanEntry]
Derived = Mapping[str, tuple[Any, str]]  # by setting: the value and the reason


def set_by_user(settings: Schema) -> set[str]:
    """The fields that were given a value. None, and "auto" as the default, leave it to the program."""
    fields = type(settings).model_fields
    return {name for name in settings.model_fields_set if not _left_open(getattr(settings, name), fields[name].default)}


def _left_open(value: Any, default: Any) -> bool:
    return value is None or value == default == "auto"


def entries(settings: Schema, derived: Derived, names: Sequence[str] | None = None) -> Plan:
    """Mark each field of `settings`: *user* if it was given, *derived* if it is in `derived`, else *fixed*.

    A fixed value is the default of the method, which is the thesis's.

    names: the fields that stand in the plan; None = all.
    """
    given, values = set_by_user(settings), settings.model_dump(mode="json")
    plan = {}
    for name in values if names is None else names:
        if name in derived and name not in given:
            value, reason = derived[name]
            plan[name] = PlanEntry(value=to_jsonable_python(value), origin="derived", reason=reason)
        else:
            plan[name] = PlanEntry(value=values[name], origin="user" if name in given else "fixed")
    return plan


def values(plan: Plan, settings: type[Schema]) -> dict[str, Any]:
    """The values in a plan that belong to `settings`, as its constructor takes them."""
    return {name: plan[name].value for name in settings.model_fields if name in plan}
