"""The complete plan of a run: every setting with the origin of its value."""

from collections.abc import Sequence
from typing import Any

from algan_ad.detectors.shared.contract import Detector
from algan_ad.runtime.model_folder import PlanEntry
from algan_ad.runtime.schema import Schema


def entries(
    settings: Schema, derived: dict[str, Any] | None = None, names: Sequence[str] | None = None
) -> dict[str, PlanEntry]:
    """Plan entries of `settings`, each with its mark.

    A field is *derived* when `derived` names it and gives its value, *user* when it differs from the default, else
    *fixed* (the default of the method, which is the thesis's).

    names: the fields that stand in the plan; None = all.
    """
    derived = derived or {}
    values = settings.model_dump(mode="json")
    defaults = {name: field.default for name, field in type(settings).model_fields.items()}
    plan = {}
    for name in values if names is None else names:
        value = values[name]
        if name in derived:
            plan[name] = PlanEntry(value=derived[name], origin="derived")
        else:
            changed = getattr(settings, name) != defaults[name]
            plan[name] = PlanEntry(value=value, origin="user" if changed else "fixed")
    return plan


def method_plan(detector: Detector, protocol: str) -> dict[str, PlanEntry]:
    """The plan of a detector's own settings, with what `auto` and None became."""
    return entries(detector.config, detector.choices(protocol))


def values(plan: dict[str, PlanEntry], settings: type[Schema]) -> dict[str, Any]:
    """The values in a plan that belong to `settings`, as its constructor takes them."""
    return {name: plan[name].value for name in settings.model_fields if name in plan}
