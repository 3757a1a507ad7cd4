"""A plan: which methods on which data, by which protocol, with which seeds. A small TOML file, or a name that ships.

    title = "ALGAN-image beside the GAN methods"      # required
    reference = "Table 5.5"                           # what of the thesis it reproduces
    kind = "table"                                    # how the report draws it; the engine does not look at it
    seeds = [0, 1, 2]
    protocols = ["normal-only", "thesis"]             # default: normal-only
    keep = ["scores", "metrics", "examples"]          # files to keep of each run, see below; default: none
    page = "toy"                                      # the runs are this page's own business, see below

    [settings]                                        # of every method that has a setting of this name
    epochs = 64

    [[methods]]
    name = "ganomaly"                                 # as in `algan methods`
    label = "GANomaly, z 100"                         # default: the name; labels are unique
    settings = { z_dim = 100 }                        # fields of METHODS[name].Config
    data = ["COIL-100"]                               # default: all; labels of data sets

    [[data]]
    name = "coil-100"                                 # see `sources.py`
    label = "COIL-100"                                # default: the name; labels are unique
    categories = ["bottle", "cable"]                  # default: all that the set has
    settings = { max_test = 400 }                     # see `DataOptions`

    [small]                                           # what `--scale small` changes
    seeds = [0]                                       # replaces; so do `protocols`, `methods` and `data`
    settings = { epochs = 2 }                         # goes over the settings above, those of single methods too
    data_settings = { max_train = 100 }               # goes over the settings of every data set
    method_settings = { "GANomaly, z 100" = { width = 8 } }    # goes over all of these

    [options]                                         # free, for the report and the pages

    [thesis]                                          # published figures, for the report: "method label|category",
    "GANomaly, z 100|coil-100" = "0.947 ± 0.010"      # or "method label|data label" where there is no category

Settings that name a file (`backbone_weights = "weights/resnet18.safetensors"`) are looked for from where the command
is run, in the folder of `--data`, and beside it. Results keep the text as it is written here.

Kept files go to `FOLDER/files/KEY/`: `scores.npz` (arrays labels, scores), `metrics.jsonl` (the loop's), and what the
generator drew, `fake-normal.png` and others.

`page = "toy"` names an entry of `benchmark.pages.PAGES`. A run is then what its `run(spec, data, files, device,
threads)` does: `data` is the folder or table of the data set, `files` a folder for what is to be kept; it returns parts
of the result line. Its data set may be "none" (then `data` is None), its method "-".

A folder of results holds the plan as it was run, `plan.json`: `Plan` with `name`, `scale`, and `small` put in.
"""

import copy
import difflib
import hashlib
import itertools
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from algan_ad.benchmark.sources import NO_DATA, Sources
from algan_ad.data.splits import Protocol
from algan_ad.detectors import METHODS
from algan_ad.features.backbones import RANDOM
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import read_json, write_json
from algan_ad.runtime.schema import describe_one

Scale = Literal["full", "small"]
Kept = Literal["scores", "metrics", "examples"]
Settings = dict[str, Any]

NO_METHOD = "-"
PLAN_FILE = "plan.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataOptions(_Part):
    """How one data set enters a plan; what is not set follows from the data set (5.2.5).

    Attributes:
        calibration_fraction: share of the training normals held out to place the threshold; 0, for vectors only,
            trains on all of them and places none. Without effect where the division of the set is fixed.
        max_train, max_test: at most this many samples, drawn by the seed; of the test, as many of each class.
    """

    calibration_fraction: float = Field(0.2, ge=0, lt=1)
    max_train: int | None = Field(None, ge=4)
    max_test: int | None = Field(None, ge=4)
    horizontal_flip: bool | None = None
    vertical_flip: bool | None = None
    rotation_degrees: float | None = Field(None, ge=0, le=180)
    grayscale: bool | None = None


class _Labelled(_Part):
    """Something with a name, and a label that is the name unless it is given."""

    name: str
    label: str = ""

    @model_validator(mode="after")
    def _label(self) -> Self:
        return self if self.label else self.model_copy(update={"label": self.name})


class MethodEntry(_Labelled):
    settings: Settings = Field(default_factory=dict)
    data: tuple[str, ...] = ()


class DataEntry(_Labelled):
    categories: tuple[str, ...] = ()
    settings: DataOptions = DataOptions()


class Small(_Part):
    """What the small form changes."""

    seeds: tuple[int, ...] | None = None
    protocols: tuple[Protocol, ...] | None = None
    methods: tuple[MethodEntry, ...] | None = None
    data: tuple[DataEntry, ...] | None = None
    settings: Settings = Field(default_factory=dict)
    data_settings: DataOptions = DataOptions()
    method_settings: dict[str, Settings] = Field(default_factory=dict)


class RunSpec(_Part):
    """One run: everything its figures depend on. `data_settings` are those fields of DataOptions that are set."""

    plan: str
    method: str
    label: str
    settings: Settings
    dataset: str
    data_settings: Settings
    category: str | None
    seed: int
    protocol: Protocol
    scale: Scale

    @property
    def key(self) -> str:
        """A name for this run: 16 hexadecimal digits, the same on every machine."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        where = self.dataset if self.category is None else f"{self.dataset}/{self.category}"
        return f"{self.label} on {where}, {self.protocol}, seed {self.seed}"


class Plan(_Part):
    """See the top of this file."""

    name: str
    title: str
    reference: str = ""
    kind: str = "table"
    page: str | None = None
    keep: tuple[Kept, ...] = ()
    seeds: tuple[int, ...]
    protocols: tuple[Protocol, ...] = ("normal-only",)
    settings: Settings = Field(default_factory=dict)
    methods: tuple[MethodEntry, ...] = ()
    data: tuple[DataEntry, ...] = ()
    small: Small | None = None
    options: Settings = Field(default_factory=dict)
    thesis: dict[str, str] = Field(default_factory=dict)
    scale: Scale = "full"

    def at(self, scale: Scale) -> Self:
        """The plan at a scale, with nothing left to override. A plan without [small] is the same at both."""
        if scale == self.scale:
            return self.model_copy(update={"small": None})
        if self.scale == "small":
            raise InputError(f"plan {self.name}: is in its small form already; give the plan's file or name")
        small = self.small or Small()
        replaced = {n: v for n in ("seeds", "protocols", "methods", "data") if (v := getattr(small, n)) is not None}
        plan = self.model_copy(update={**replaced, "small": None, "scale": "small"})
        overridden = () if small.methods is not None else small.settings
        methods = [
            each.model_copy(update={"settings": {n: v for n, v in each.settings.items() if n not in overridden}
                                    | small.method_settings.get(each.label, {})})
            for each in plan.methods
        ]  # fmt: skip
        data = [
            each.model_copy(update={"settings": DataOptions(**_set(each.settings) | _set(small.data_settings))})
            for each in plan.data
        ]
        update = {"settings": self.settings | small.settings, "methods": tuple(methods), "data": tuple(data)}
        return plan.model_copy(update=update)

    def specs(self, sources: Sources) -> list[RunSpec]:
        """Every run, one seed after the other. Raises InputError, listing all that is wrong: see `problems`."""
        if found := self.problems(sources):
            raise InputError(f"plan {self.name}: " + "".join(f"\n  - {problem}" for problem in found))
        return [
            RunSpec(
                plan=self.name, method=method.name, label=method.label, settings=self.settings_of(method),
                dataset=data.name, data_settings=_set(data.settings), category=category, seed=seed,
                protocol=protocol, scale=self.scale,
            )
            for seed in self.seeds
            for data in self.data
            for category in sources.categories(data.name, data.categories)
            for protocol in self.protocols
            for method in self.methods
            if not method.data or data.label in method.data
        ]  # fmt: skip

    def settings_of(self, method: MethodEntry) -> Settings:
        """A method's settings: the shared ones that it has, and its own."""
        fields = METHODS[method.name].Config.model_fields if method.name in METHODS else self.settings
        return {name: value for name, value in self.settings.items() if name in fields} | method.settings

    def problems(self, sources: Sources) -> list[str]:
        """Everything that keeps this plan from being run, in words."""
        return list(itertools.chain(self._empty(), self._labels(), self._methods(sources), self._data(sources)))

    def _empty(self) -> Iterator[str]:
        if self.page is not None:
            from algan_ad.benchmark.pages import PAGES  # pages know plans

            if self.page not in PAGES:
                yield f"page {self.page!r}: not known{_hint(self.page, PAGES)}; expected one of {', '.join(PAGES)}"
        for name in ("methods", "data", "seeds", "protocols"):
            if not getattr(self, name):
                yield f"{name}: none; a plan needs at least one"
        for seed in self.seeds:
            if seed < 0:
                yield f"seeds: {seed}; expected 0 or more"
        if len(set(self.seeds)) < len(self.seeds):
            yield f"seeds: {list(self.seeds)} holds one twice"

    def _labels(self) -> Iterator[str]:
        parts: tuple[tuple[str, Sequence[_Labelled]], ...] = (("methods", self.methods), ("data", self.data))
        for what, entries in parts:
            for label, n in Counter(each.label for each in entries).items():
                if n > 1:
                    yield f"{what}: {n} entries with the label {label!r}; give each a `label` of its own"
        labels = {each.label for each in self.data}
        for method in self.methods:
            for label in method.data:
                if label not in labels:
                    yield f"method {method.label!r}: data {label!r}: no data set has this label{_hint(label, labels)}"
        labels = {each.label for each in self.methods}
        if self.small is not None and self.small.methods is None:
            for label in self.small.method_settings:
                if label not in labels:
                    yield f"small.method_settings: no method has the label {label!r}{_hint(label, labels)}"

    def _methods(self, sources: Sources) -> Iterator[str]:
        for method in self.methods:
            if method.name in METHODS:
                yield from self._method(method, sources)
            elif not (self.page and method.name == NO_METHOD):
                yield f"method {method.name!r}: not known{_hint(method.name, METHODS)}; see algan methods"
        known = [METHODS[each.name].Config.model_fields for each in self.methods if each.name in METHODS]
        if len(known) == len(self.methods):
            for name in self.settings:
                if not any(name in fields for fields in known):
                    yield f"settings: none of the methods has a setting {name!r}{_hint(name, set().union(*known))}"

    def _method(self, method: MethodEntry, sources: Sources) -> Iterator[str]:
        kind, settings = METHODS[method.name].Config, self.settings_of(method)
        try:
            config = kind(**settings)
        except InputError as error:
            yield from _what_is_wrong(f"method {method.label!r}", kind, error)
            return
        for name, path in files_in(config):
            if sources.find_file(path) is None:
                yield f"method {method.label!r}: {name}: {path}: no such file here, in --data or beside it"
        takes = METHODS[method.name](config, "cpu").input
        for data in self.data:
            if method.data and data.label not in method.data:
                continue
            holds = sources.holds(data.name)
            if holds is not None and holds != takes and not self.page:
                yield f"method {method.label!r} takes {takes}s, {data.label!r} holds {holds}s"

    def _data(self, sources: Sources) -> Iterator[str]:
        for data in self.data:
            if data.name == NO_DATA and self.page:
                continue
            yield from sources.problems(data.name, data.categories)
            if sources.holds(data.name) == "vector" and "thesis" in self.protocols and not self.page:
                yield f"data {data.label!r}: protocol thesis divides images only; take normal-only for vectors"
            wishes = sorted(_set(data.settings).keys() - {"calibration_fraction", "max_train", "max_test"})
            if sources.holds(data.name) == "vector" and wishes:
                yield f"data {data.label!r}: {', '.join(wishes)}: for images; leave it out for vectors"
            if sources.holds(data.name) == "image" and data.settings.calibration_fraction == 0:
                yield f"data {data.label!r}: calibration_fraction 0 is for vectors; images need more"


def files_in(config: BaseModel) -> list[tuple[str, Path]]:
    """The settings that name a file, and the file."""
    return [(name, value) for name, value in config if isinstance(value, Path) and value != RANDOM]


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
        found += [] if rest is None else rest.problems(sources or Sources(None, look=False))
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


def _what_is_wrong(where: str, kind: type[BaseModel], error: InputError) -> Iterator[str]:
    details = error.__context__
    if not isinstance(details, ValidationError):  # settings that do not go together
        yield f"{where}: {error}"
        return
    for each in details.errors(include_url=False):
        name = ".".join(map(str, each["loc"]))
        if each["type"] == "extra_forbidden":
            yield f"{where}: has no setting {name!r}{_hint(name, kind.model_fields)}"
        else:
            yield f"{where}: {describe_one(each)}"


def _locate(plan: str | Path) -> tuple[Path, str]:
    path = Path(plan)
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected a plan, or a name: {', '.join(shipped())}")
        return path, path.stem
    if str(plan) not in shipped():
        raise InputError(f"plan {str(plan)!r}: not known{_hint(str(plan), shipped())}; see algan benchmark list")
    return _home() / f"{plan}.toml", str(plan)


def _home() -> Path:
    return Path(str(resources.files("algan_ad.benchmark") / "plans"))


def _hint(wrong: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(wrong, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _set(options: DataOptions) -> Settings:
    """The options that someone set, as JSON."""
    return options.model_dump(mode="json", exclude_unset=True)
