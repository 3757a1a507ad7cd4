"""What a user asks of a training: in the arguments of `train`, in a plan that was written before, or in both."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from algan_ad.detectors import find_method
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.files import read_json
from algan_ad.runtime.model_folder import PlanEntry
from algan_ad.runtime.schema import Schema
from algan_ad.training.device import using_threads
from algan_ad.training.seeding import private_randomness
from algan_ad.workflows.facts import Facts
from algan_ad.workflows.options import PLANNED, TrainOptions
from algan_ad.workflows.plan import Plan
from algan_ad.workflows.self_configure import Source, Wish, announce, configure, derive, derive_method, method_for

Planned = str | Path | Mapping[str, Any]  # a plan, or the file that holds it


class PlanFile(Schema):
    """A plan as JSON: every setting, and the facts that the derived ones follow from."""

    schema_version: Literal[1] = 1
    facts: Facts
    settings: Plan

    @property
    def method(self) -> PlanEntry:
        """The method, the user's if it was edited."""
        return self._own("method", method_for(self.facts.input))

    def users(self) -> dict[str, Any]:
        """The values that the user set: by an option of `algan plan`, or in the file.

        The program's own plan follows from the facts in the file; where the file says something else, the user did.
        Raises InputError for a setting that the method does not have, and for values out of bounds.
        """
        kind = find_method(str(self.method.value))
        said = {name: entry.value for name, entry in self.settings.items() if entry.origin == "user"}
        own = derive(_wish(self.method, said), self.facts)
        for name in sorted(self.settings.keys() - own.keys()):
            near = get_close_matches(name, own, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"write a plan of {kind.name} anew"
            raise InputError(f"the plan: {name!r} is no setting of {kind.name}; {hint}")
        chosen = {name: self._own(name, entry) for name, entry in own.items() if name in self.settings}
        return {name: e.value for name, e in chosen.items() if e.origin == "user" and name != "method"}

    def _own(self, name: str, entry: PlanEntry) -> PlanEntry:
        """What the file says of a setting, or this entry if that is the same."""
        found = self.settings.get(name, entry)
        edited = found.origin == "user" or found.value != entry.value
        return PlanEntry(value=found.value, origin="user") if edited else entry


def read_plan(plan: Planned) -> PlanFile:
    """A plan from a JSON file or a mapping. Raises InputError if it is none."""
    if isinstance(plan, Mapping):
        return PlanFile(**plan)
    content = read_json(Path(plan))
    try:
        return PlanFile(**content)
    except (InputError, TypeError) as error:
        raise InputError(f"{plan}: is not a plan as `algan plan` writes it: {error}") from error


def wish(
    source: Source, method: str | None, config: Schema | Mapping[str, Any] | None, options: Mapping[str, Any],
    plan: Planned | None = None,
) -> Wish:  # fmt: skip
    """The arguments of `train`, checked; what they name wins over the plan.

    Raises InputError for a method, a setting or an option that is not known, out of bounds, or not the plan's.
    """
    asked = None if method == "auto" else method
    users: dict[str, Any] = {}
    if plan is None:
        entry = derive_method(source) if asked is None else PlanEntry(value=asked, origin="user")
    else:
        file = read_plan(plan)
        entry, users = file.method, file.users()
        if asked not in (None, entry.value):
            raise InputError(Option("method", asked), f": the plan is one of {entry.value}; leave one of them out")
    kind = find_method(str(entry.value))
    if isinstance(config, Schema):
        if not isinstance(config, kind.Config):
            raise InputError(
                f"config: {type(config).__name__} is not what {kind.name} takes ({kind.Config.__name__}); set ",
                Option("method"), " to the method that it belongs to",
            )  # fmt: skip
        config = {name: getattr(config, name) for name in config.model_fields_set}
    return _wish(entry, users, config or {}, options)


def plan(
    source: Source, method: str | None = None, *, config: Schema | Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The plan of a training, which is not begun: every setting with its value, its origin and its reason.

    The arguments are those of `train`. Returns the JSON object that `algan plan` prints: `settings`, by name an object
    of `value`, `origin` ("fixed", "derived", "user") and `reason`; `facts`, which the derived values follow from; and
    `schema_version`. Change a value and hand it to `train(plan=...)`.

    Raises InputError as `train` does.
    """
    wanted = wish(source, method, config, options)
    with private_randomness(), using_threads(wanted.options.threads):
        configured = configure(source, wanted)
    announce(configured)
    return PlanFile(facts=configured.facts, settings=configured.plan).model_dump(mode="json")


def _wish(
    method: PlanEntry, users: Mapping[str, Any], config: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Wish:  # fmt: skip
    """`config` and `options` beside the values of a plan, over which they win."""
    kind = find_method(str(method.value))
    settings = {name: value for name, value in users.items() if name in kind.Config.model_fields}
    planned = {name: value for name, value in users.items() if name in PLANNED}
    return Wish(method, kind.Config(**settings | dict(config or {})), TrainOptions(**planned | dict(options or {})))
