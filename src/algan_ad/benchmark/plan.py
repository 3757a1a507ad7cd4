"""A plan: which methods on which data, by which protocol, with which seeds. A small TOML file, or a name that ships.

    title = "ALGAN-image beside the GAN methods"      # required
    reference = "Table 5.5"                           # what of the thesis it reproduces
    kind = "table"                                    # how the report draws it; the engine does not look at it
    seeds = [0, 1, 2]
    protocols = ["normal-only", "thesis"]             # default: normal-only; ["pyod"] with data "pyod", and only there
    keep = ["scores", "metrics", "examples"]          # files to keep of each run, see below; default: none
    page = "toy"                                      # the runs are this page's own business, see below

    [settings]                                        # of every method that has a setting of this name
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

    [small]                                           # what `--scale small` changes
    seeds = [0]                                       # replaces; so do `protocols`, `methods` and `data`
    settings = { epochs = 2 }                         # goes over the settings above, those of single methods too
    data_settings = { max_train = 100 }               # goes over the settings of every data set
    method_settings = { "GANomaly, z 100" = { width = 8 } }    # goes over all of these

    [options]                                         # free, for the report and the pages

    [thesis]                                          # published figures, for the report: "method label|category",
    "GANomaly, z 100|coil-100" = "0.947 ± 0.010"      # or "method label|data label" where there is no category

Settings that name a file (`backbone_weights = "weights/resnet18.safetensors"`) are looked for from where the command
is run, in the folder of data sets, and beside it. Results keep the text as it is written here.

Kept files go to `FOLDER/files/KEY/`: `scores.npz` (arrays labels, scores), `metrics.jsonl` (the loop's), and what the
generator drew, `fake-normal.png` and others.

`page = "toy"` names an entry of `benchmark.pages.PAGES`. A run is then what its `run(spec, data, files, device,
threads)` does: `data` is the folder or table of the data set, `files` a folder for what is to be kept; it returns parts
of the result line. Its data set may be "none" (then `data` is None), its method "-".

A folder of results holds the plan as it was run, `plan.json`: `Plan` with `name`, `scale`, and `small` put in.
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


class Labelled(_Part):
    """Something with a name, and a label that is the name unless it is given."""

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
        """The entries that a grid stands for, or itself without one."""
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


class Small(_Part):
    """What the small form changes."""

    seeds: tuple[int, ...] | None = None
    protocols: tuple[BenchmarkProtocol, ...] | None = None
    methods: Methods | None = None
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
    protocol: BenchmarkProtocol
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
    protocols: tuple[BenchmarkProtocol, ...] = ("normal-only",)
    settings: Settings = Field(default_factory=dict)
    methods: Methods = ()
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
        """The methods that are to be run on a data set."""
        return [each for each in self.methods if not each.data or data.label in each.data]


def chosen(options: DataOptions) -> Settings:
    """The options that someone set, as JSON."""
    return options.model_dump(mode="json", exclude_unset=True)
