"""Check of a plan before its first run, which reports all mistakes at once, in words."""

import difflib
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from algan_ad.benchmark.plan import NO_METHOD, DataEntry, Labelled, MethodEntry, Plan, RunSpec, chosen
from algan_ad.benchmark.sources import NO_DATA, PYOD, Sources
from algan_ad.detectors import METHODS
from algan_ad.features.backbones import RANDOM
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.schema import describe_one


def runs(plan: Plan, sources: Sources) -> list[RunSpec]:
    """All runs of a plan, one seed after the other. Raises InputError, which lists all `problems`."""
    if found := problems(plan, sources):
        raise InputError(listed(f"plan {plan.name}", found))
    specs = [
        plan.spec(method, data, category, seed, protocol)
        for seed in plan.seeds
        for data in plan.data
        for category in sources.categories(data.name, data.categories)
        for protocol in plan.protocols
        for method in plan.methods_on(data)
    ]
    twice = [key for key, n in Counter(spec.key for spec in specs).items() if n > 1]
    if twice:
        which = next(str(spec) for spec in specs if spec.key == twice[0])
        raise InputError(f"plan {plan.name}: names {len(twice)} runs more than once, among them {which}")
    return specs


def with_categories(plan: Plan, sources: Sources) -> Plan:
    """The plan with all categories by name, also those that follow from a folder."""
    data = [
        each.model_copy(update={"categories": tuple(filter(None, sources.categories(each.name, each.categories)))})
        for each in plan.data
    ]
    return plan.model_copy(update={"data": tuple(data)})


def listed(where: str, found: Iterable[str]) -> str:
    """A message of several problems."""
    return f"{where}: " + "".join(f"\n  - {each}" for each in found)


def problems(plan: Plan, sources: Sources) -> list[str]:
    """All mistakes that keep this plan from being run, in words."""
    return list(itertools.chain(_empty(plan), _labels(plan), _methods(plan, sources), _data(plan, sources)))


def _empty(plan: Plan) -> Iterator[str]:
    if plan.page is not None:
        from algan_ad.benchmark.pages import PAGES  # pages import plans

        if plan.page not in PAGES:
            yield f"page {plan.page!r}: not known{hint(plan.page, PAGES)}; expected one of {', '.join(PAGES)}"
    for name in ("methods", "data", "seeds", "protocols"):
        if not getattr(plan, name):
            yield f"{name}: none; a plan needs at least one"
    for seed in plan.seeds:
        if seed < 0:
            yield f"seeds: {seed}; expected 0 or more"
    for name, values in (("seeds", plan.seeds), ("protocols", plan.protocols)):
        if len(set(values)) < len(values):
            yield f"{name}: {list(values)} holds a value twice"
    for key in plan.thesis:
        if "|" not in key:
            yield f"thesis: {key!r}; expected 'method label|data label' or 'method label|category'"


def _labels(plan: Plan) -> Iterator[str]:
    parts: tuple[tuple[str, Sequence[Labelled]], ...] = (("methods", plan.methods), ("data", plan.data))
    for what, entries in parts:
        for label, n in Counter(each.label for each in entries).items():
            if n > 1:
                yield f"{what}: {n} entries with the label {label!r}; give each a `label` of its own"
    labels = {each.label for each in plan.data}
    for method in plan.methods:
        for label in method.data:
            if label not in labels:
                yield f"method {method.label!r}: data {label!r}: no data set has this label{hint(label, labels)}"
    yield from small_labels(plan)


def small_labels(plan: Plan) -> Iterator[str]:
    """Mistakes in [small], of which `Plan.at` leaves no trace."""
    if plan.small is None:
        return
    labels = {each.label for each in (plan.methods if plan.small.methods is None else plan.small.methods)}
    for label in plan.small.method_settings:
        if label not in labels:
            yield f"small.method_settings: no method has the label {label!r}{hint(label, labels)}"


def _methods(plan: Plan, sources: Sources) -> Iterator[str]:
    for method in plan.methods:
        if method.name in METHODS:
            yield from _method(plan, method, sources)
        elif not (plan.page and method.name == NO_METHOD):
            yield f"method {method.name!r}: not known{hint(method.name, METHODS)}; see algan methods"
    known = [METHODS[each.name].Config.model_fields for each in plan.methods if each.name in METHODS]
    if len(known) == len(plan.methods):
        for name in plan.settings:
            if not any(name in fields for fields in known):
                yield f"settings: none of the methods has a setting {name!r}{hint(name, set().union(*known))}"


def _method(plan: Plan, method: MethodEntry, sources: Sources) -> Iterator[str]:
    kind, settings = METHODS[method.name].Config, plan.settings_of(method)
    try:
        config = kind(**settings)
    except InputError as error:
        yield from _what_is_wrong(f"method {method.label!r}", kind, error)
        return
    for name, path in files_in(config):
        if sources.find_file(path) is None:
            yield f"method {method.label!r}: {name}: {path}: no such file here, in the folder of data sets or beside it"
    takes = METHODS[method.name](config, "cpu").input
    for data in plan.data:
        if method.data and data.label not in method.data:
            continue
        holds = sources.holds(data.name)
        if holds is not None and holds != takes and not plan.page:
            yield f"method {method.label!r} takes {takes}s, {data.label!r} holds {holds}s"


def _data(plan: Plan, sources: Sources) -> Iterator[str]:
    for data in plan.data:
        if data.name == NO_DATA and plan.page:
            continue
        yield from sources.problems(data.name, data.categories)
        yield from _protocols(plan, data, sources)
        wishes = sorted(chosen(data.settings).keys() - {"calibration_fraction", "max_train", "max_test"})
        if sources.holds(data.name) == "vector" and wishes:
            yield f"data {data.label!r}: {', '.join(wishes)}: for images; leave it out for vectors"
        if sources.holds(data.name) == "image" and data.settings.calibration_fraction == 0:
            yield f"data {data.label!r}: calibration_fraction 0 is for vectors; images need more"


def _protocols(plan: Plan, data: DataEntry, sources: Sources) -> Iterator[str]:
    """Mistakes in the protocols. The figures of PyOD's division, which trains on anomalies, must not bear the name of
    a protocol that excludes them."""
    if data.name == PYOD and plan.protocols != (PYOD,):
        yield (
            f"data {data.label!r}: anomalies are among the training data, as in PyOD's table; expected "
            f"protocols = [{PYOD!r}]"
        )
    if data.name != PYOD and PYOD in plan.protocols:
        yield f"data {data.label!r}: protocol pyod is for the data set pyod only"
    if sources.holds(data.name) == "vector" and data.name != PYOD and "thesis" in plan.protocols and not plan.page:
        yield f"data {data.label!r}: protocol thesis divides images only; take normal-only for vectors"


def files_in(config: BaseModel) -> list[tuple[str, Path]]:
    """Settings that name a file, and the file."""
    return [(name, value) for name, value in config if isinstance(value, Path) and value != RANDOM]


def _what_is_wrong(where: str, kind: type[BaseModel], error: InputError) -> Iterator[str]:
    details = error.__context__
    if not isinstance(details, ValidationError):  # settings that do not go together
        yield f"{where}: {error}"
        return
    for each in details.errors(include_url=False):
        name = ".".join(map(str, each["loc"]))
        if each["type"] == "extra_forbidden":
            yield f"{where}: has no setting {name!r}{hint(name, kind.model_fields)}"
        else:
            yield f"{where}: {describe_one(each)}"


def hint(wrong: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(wrong, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
