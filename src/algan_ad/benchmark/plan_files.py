"""Plans as files: those that ship, those of users, and the one beside the results."""

import copy
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from algan_ad.benchmark.plan import Plan
from algan_ad.benchmark.plan_check import hint, problems
from algan_ad.benchmark.sources import Sources
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import read_json, write_json
from algan_ad.runtime.schema import describe_one

PLAN_FILE = "plan.json"


def shipped() -> list[str]:
    """The names of the plans that ship with the package."""
    return sorted(path.relative_to(_home()).with_suffix("").as_posix() for path in _home().rglob("*.toml"))


def read_plan(plan: str | Path, sources: Sources | None = None) -> Plan:
    """A plan by its file or by a name among `shipped()`.

    Raises InputError, listing all that is wrong, for what has not the form of a plan; with `sources`, missing data too.
    """
    path, name = _locate(plan)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # TOML, or bytes that are no text
        raise InputError(f"{path}: not a TOML file ({error})") from error
    return _checked({**raw, "name": name}, str(path), sources)


def write_folder_plan(folder: Path, plan: Plan) -> None:
    """Write `plan.json` beside the results. Seeds of an earlier call stay in it where nothing else has changed."""
    if (folder / PLAN_FILE).exists():
        before = read_folder_plan(folder)
        if _dumped(before.model_copy(update={"seeds": plan.seeds})) == _dumped(plan):
            plan = plan.model_copy(update={"seeds": tuple(sorted({*before.seeds, *plan.seeds}))})
    write_json(folder / PLAN_FILE, _dumped(plan))


def _dumped(plan: Plan) -> dict[str, Any]:
    """Without defaults, so that what is set of the data stays what was set."""
    return plan.model_dump(mode="json", exclude_unset=True)


def read_folder_plan(folder: Path) -> Plan:
    """The plan that a folder of results was made by. Raises InputError when it is missing or broken."""
    return _checked(read_json(folder / PLAN_FILE), str(folder / PLAN_FILE))


def _checked(raw: dict[str, Any], source: str, sources: Sources | None = None) -> Plan:
    try:
        return Plan.model_validate(raw)
    except ValidationError as error:
        found = [describe_one(each) for each in error.errors(include_url=False)]
        rest = _sound_part(raw, error.errors(include_url=False))
        found += [] if rest is None else problems(rest, sources or Sources(None, look=False))
        raise InputError(f"{source}: " + "".join(f"\n  - {each}" for each in found)) from None


def _sound_part(raw: Mapping[str, Any], errors: Iterable[ErrorDetails]) -> Plan | None:
    """The plan without what is wrong with its form, so that the rest of it can be judged at the same time."""
    sound = copy.deepcopy(dict(raw))
    places = {each["loc"][:-1] if each["type"] == "missing" else each["loc"] for each in errors}
    for *path, last in sorted(filter(None, places), key=lambda place: [str(step) for step in place], reverse=True):
        holder: Any = sound
        for step in path:
            holder = holder[step]
        del holder[last]
    try:
        return Plan.model_validate({"title": "", "seeds": [0]} | sound)
    except ValidationError:
        return None


def _locate(plan: str | Path) -> tuple[Path, str]:
    path = Path(plan)
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected a plan, or a name: {', '.join(shipped())}")
        return path, path.stem
    if str(plan) not in shipped():
        raise InputError(f"plan {str(plan)!r}: not known{hint(str(plan), shipped())}; see algan benchmark list")
    return _home() / f"{plan}.toml", str(plan)


def _home() -> Path:
    return Path(str(resources.files("algan_ad.benchmark") / "plans"))
