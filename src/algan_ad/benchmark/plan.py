"""A plan: methods, data sets, protocols and seeds, in a small TOML file of the user or one that ships by name.

    title = "ALGAN-image beside the GAN methods"      # required
    reference = "Table 5.5"                           # part of the thesis that it reproduces
    kind = "table"                                    # drawing of the report; the engine ignores it
    seeds = [0, 1, 2]
    protocols = ["normal-only", "thesis"]             # default: normal-only; ["pyod"] with data "pyod", and only there
    keep = ["scores", "metrics", "examples"]          # files to keep of each run, see below; default: none
    page = "toy"                                      # page that carries out the runs, see below

    [settings]                                        # for every method that has a setting of this name
    epochs = 64

    [[methods]]
    name = "ganomaly"                                 # as in `algan methods`
    label = "GANomaly, z 100"                         # default: the name; labels are unique
    settings = { z_dim = 100 }                        # fields of METHODS[name].Config
    data = ["COIL-100"]                               # default: all; labels of data sets

    [[methods]]                                       # six methods: every combination, the last name varying fastest
    name = "algan-image"
    label = "α = {alpha} | σ = {sigma:g}"             # each value in its place, as Python's str.format writes it
    grid = { alpha = [0.5, 0.75], sigma = [2.0, 4.0, 8.0] }

    [[data]]
    name = "coil-100"                                 # see `sources.py`
    label = "COIL-100"                                # default: the name; labels are unique
    categories = ["bottle", "cable"]                  # default: all that the set has
    settings = { max_test = 400 }                     # see `DataOptions`

    [small]                                           # changes of `--scale small`
    seeds = [0]                                       # replaces; so do `protocols`, `methods` and `data`
    settings = { epochs = 2 }                         # overrides the settings above, also those of single methods
    data_settings = { max_train = 100 }               # overrides the settings of every data set
    method_settings = { "GANomaly, z 100" = { width = 8 } }    # overrides all of these

    [options]                                         # any values, for the report and the pages

    [thesis]                                          # published figures, for the report: "method label|category",
    "GANomaly, z 100|coil-100" = "0.947 ± 0.010"      # or "method label|data label" if there is no category

A file that a setting names (`backbone_weights = "weights/resnet18.safetensors"`) is looked for in the working folder,
in the folder of data sets, and beside that. Results keep the name as it is written here.

Kept files go to `FOLDER/files/KEY/`: `scores.npz` (arrays labels, scores), `metrics.jsonl` (of the loop), and the
drawings of the generator, `fake-normal.png` and others.

`page = "toy"` names an entry of `benchmark.pages.PAGES`, whose `run(spec, data, folder, device, threads)` carries out
a run: `data` is the folder or table of the data set, and files to keep go to `folder`; it returns parts of the result
line. The data set may be "none" (then `data` is None), and the method "-".

A folder of results holds the plan as it was run in `plan.json`: `Plan` with `name`, `scale`, and `small` applied.
"""

import hashlib
import itertools
import json
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from algan_ad.detectors import METHODS
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.protocols import BenchmarkProtocol

Scale = Literal["full", "small"]
Kept = Literal["scores", "metrics", "examples"]
Settings = dict[str, Any]

NO_METHOD = "-"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataOptions(_Frozen):
    """Options of a data set in a plan; those that are not set follow from the data set (5.2.5).

    Attributes:
        calibration_fraction: share of the training normals held out to place the threshold; 0, for vectors only,
            trains on all of them and places none. It has no effect if the division of the set is fixed.
        max_train, max_test: largest number of samples, drawn by the seed; the test has as many of each class.
    """

    calibration_fraction: float = Field(0.2, ge=0, lt=1)
    max_train: int | None = Field(None, ge=4)
    max_test: int | None = Field(None, ge=4)
    horizontal_flip: bool | None = None
    vertical_flip: bool | None = None
    rotation_degrees: float | None = Field(None, ge=0, le=180)
    grayscale: bool | None = None


class Labelled(_Frozen):
    """An entry with a name, and a label that is the name by default."""

    name: str
    label: str = ""

    @model_validator(mode="after")
    def _label(self) -> Self:
        return self if self.label else self.model_copy(update={"label": self.name})


class MethodEntry(Labelled):
    settings: Settings = Field(default_factory=dict)
    grid: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    data: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _sound_grid(self) -> Self:
        if twice := self.grid.keys() & self.settings.keys():
            raise ValueError(f"{', '.join(sorted(twice))}: in the grid and in the settings; name it once")
        self.entries()
        return self

    def entries(self) -> list[Self]:
        """The entries of the grid, or this entry alone if it has none."""
        if not self.grid:
            return [self]
        return [
            self._at(dict(zip(self.grid, values, strict=True))) for values in itertools.product(*self.grid.values())
        ]

    def _at(self, place: Settings) -> Self:
        try:
            label = self.label.format(**place)
        except (LookupError, ValueError, AttributeError) as error:
            raise ValueError(f"label {self.label!r}: expected names of the grid in braces ({error})") from None
        other = self.model_dump(exclude_unset=True, exclude={"label", "settings", "grid"})
        return type(self)(**other, label=label, settings=self.settings | place)


def _without_grids(entries: tuple[MethodEntry, ...]) -> tuple[MethodEntry, ...]:
    return tuple(itertools.chain.from_iterable(entry.entries() for entry in entries))


Methods = Annotated[tuple[MethodEntry, ...], AfterValidator(_without_grids)]


class DataEntry(Labelled):
    categories: tuple[str, ...] = ()
    settings: DataOptions = DataOptions()


class Small(_Frozen):
    """Changes of the small form."""

    seeds: tuple[int, ...] | None = None
    protocols: tuple[BenchmarkProtocol, ...] | None = None
    methods: Methods | None = None
    data: tuple[DataEntry, ...] | None = None
    settings: Settings = Field(default_factory=dict)
    data_settings: DataOptions = DataOptions()
    method_settings: dict[str, Settings] = Field(default_factory=dict)


class RunSpec(_Frozen):
    """One run: everything that its figures depend on. `data_settings`: the fields of DataOptions that are set."""

    plan: str
    method: str
    label: str
    settings: Settings
    dataset: str
    data_settings: Settings
    category: str | None
    seed: int
    protocol: BenchmarkProtocol
    scale: Scale

    @property
    def key(self) -> str:
        """The name of this run: 16 hexadecimal digits, the same on every machine."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        where = self.dataset if self.category is None else f"{self.dataset}/{self.category}"
        return f"{self.label} on {where}, {self.protocol}, seed {self.seed}"


class Plan(_Frozen):
    """A plan; the top of this file describes it."""

    name: str
    title: str
    reference: str = ""
    kind: str = "table"
    page: str | None = None
    keep: tuple[Kept, ...] = ()
    seeds: tuple[int, ...]
    protocols: tuple[BenchmarkProtocol, ...] = ("normal-only",)
    settings: Settings = Field(default_factory=dict)
    methods: Methods = ()
    data: tuple[DataEntry, ...] = ()
    small: Small | None = None
    options: Settings = Field(default_factory=dict)
    thesis: dict[str, str] = Field(default_factory=dict)
    scale: Scale = "full"

    def at(self, scale: Scale) -> Self:
        """The plan at a scale, with [small] applied and removed. A plan without [small] is the same at both scales."""
        if scale == self.scale:
            return self.model_copy(update={"small": None})
        if self.scale == "small":
            raise InputError(f"plan {self.name}: is already in its small form; give the plan's file or name")
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
            each.model_copy(update={"settings": DataOptions(**chosen(each.settings) | chosen(small.data_settings))})
            for each in plan.data
        ]
        update = {"settings": self.settings | small.settings, "methods": tuple(methods), "data": tuple(data)}
        return plan.model_copy(update=update)

    def settings_of(self, method: MethodEntry) -> Settings:
        """A method's settings: the shared ones that it has, and its own."""
        fields = METHODS[method.name].Config.model_fields if method.name in METHODS else self.settings
        return {name: value for name, value in self.settings.items() if name in fields} | method.settings

    def spec(
        self, method: MethodEntry, data: DataEntry, category: str | None, seed: int, protocol: BenchmarkProtocol
    ) -> RunSpec:
        """One run of the plan."""
        return RunSpec(
            plan=self.name, method=method.name, label=method.label, settings=self.settings_of(method),
            dataset=data.name, data_settings=chosen(data.settings), category=category, seed=seed, protocol=protocol,
            scale=self.scale,
        )  # fmt: skip

    def methods_on(self, data: DataEntry) -> list[MethodEntry]:
        """Methods to run on a data set."""
        return [each for each in self.methods if not each.data or data.label in each.data]


def chosen(options: DataOptions) -> Settings:
    """The options that a plan sets, as JSON."""
    return options.model_dump(mode="json", exclude_unset=True)
