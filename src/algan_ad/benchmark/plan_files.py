"""Plans as files: those that ship, those of users, and the one beside the results."""

import copy
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from algan_ad.benchmark.plan import Plan
from algan_ad.benchmark.plan_check import hint, listed, problems, small_labels
from algan_ad.benchmark.shipped import shipped, shipped_file
from algan_ad.benchmark.sources import Sources
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors, read_json, write_json
from algan_ad.runtime.progress import log
from algan_ad.runtime.schema import describe_one

PLAN_FILE = "plan.json"


def read_plan(plan: str | Path, sources: Sources | None = None) -> Plan:
    """Read a plan from its file, or by a name among `shipped()`.

    Raises InputError, which lists all mistakes, for a file without the form of a plan; with `sources`, also for missing
    data.
    """
    path, name = _locate(plan)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # not TOML, or not text
        raise InputError(f"{path}: not a TOML file ({error})") from error
    return _checked({**raw, "name": name}, str(path), sources)


def write_folder_plan(folder: Path, plan: Plan) -> None:
    """Write `plan.json` beside the results. Seeds of an earlier call stay in it if the runs are otherwise the same."""
    with explaining_write_errors(folder), FileLock(folder / ".plan.lock"):
        if (folder / PLAN_FILE).exists():
            before = read_folder_plan(folder)
            if _without_words(before) == _without_words(plan):
                plan = plan.model_copy(update={"seeds": tuple(sorted({*before.seeds, *plan.seeds}))})
            else:
                log(f"warning: {folder}: its page was of plan {before.name}, and will be of {plan.name} as it is now")
        write_json(folder / PLAN_FILE, _dumped(plan))


def _without_words(plan: Plan) -> dict[str, Any]:
    """Everything that the runs of a plan depend on, except their seeds."""
    words = {"seeds", "title", "reference", "kind", "keep", "options", "thesis"}
    return {name: value for name, value in _dumped(plan).items() if name not in words}


def _dumped(plan: Plan) -> dict[str, Any]:
    """The plan as JSON without defaults, so that options that were not set stay so."""
    return plan.model_dump(mode="json", exclude_unset=True)


def read_folder_plan(folder: Path) -> Plan:
    """The plan that a folder of results was made by. Raises InputError when it is missing or broken."""
    return _checked(read_json(folder / PLAN_FILE), str(folder / PLAN_FILE))


def _checked(raw: dict[str, Any], source: str, sources: Sources | None = None) -> Plan:
    sources = sources or Sources(None, look=False)
    try:
        plan = Plan.model_validate(raw)
    except ValidationError as error:
        found = [describe_one(each) for each in error.errors(include_url=False)]
        rest = _sound_part(raw, error.errors(include_url=False))
        found += [] if rest is None else problems(rest, sources)
        raise InputError(listed(source, found)) from None
    if any(small_labels(plan)):
        raise InputError(listed(source, problems(plan, sources)))
    return plan


def _sound_part(raw: Mapping[str, Any], errors: Iterable[ErrorDetails]) -> Plan | None:
    """The plan without the parts whose form is wrong, so that the other parts can be checked at the same time."""
    if not isinstance(raw, Mapping):
        return None
    sound = copy.deepcopy(dict(raw))
    places = {each["loc"][:-1] if each["type"] == "missing" else each["loc"] for each in errors}
    for *path, last in sorted(
        filter(None, places), key=_in_order, reverse=True
    ):  # from the end, so that places before stay
        holder: Any = sound
        for step in path:
            holder = holder[step]
        del holder[last]
    try:
        return Plan.model_validate({"title": "", "seeds": [0]} | sound)
    except ValidationError:
        return None


def _in_order(place: tuple[int | str, ...]) -> list[tuple[str, int]]:
    return [("", step) if isinstance(step, int) else (step, 0) for step in place]


def _locate(plan: str | Path) -> tuple[Path, str]:
    path = Path(plan)
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected a plan, or a name: {', '.join(shipped())}")
        return path, path.stem
    if str(plan) not in shipped():
        raise InputError(f"plan {str(plan)!r}: not known{hint(str(plan), shipped())}; see algan benchmark list")
    return shipped_file(str(plan)), str(plan)
