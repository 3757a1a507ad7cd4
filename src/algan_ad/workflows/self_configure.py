"""What the data and the machine decide, where the user does not: one plan, before anything is fitted."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.layouts import is_list
from algan_ad.data.recipe import Recipe
from algan_ad.detectors import find_method
from algan_ad.detectors.shared.contract import Detector
from algan_ad.runtime.calibration import supported_rate
from algan_ad.runtime.errors import Option
from algan_ad.runtime.model_folder import PlanEntry
from algan_ad.runtime.progress import log
from algan_ad.runtime.schema import Schema
from algan_ad.runtime.vectors import SUFFIXES
from algan_ad.workflows.facts import COMPARABLE, FLIPS, Facts, measure, picture_size
from algan_ad.workflows.framing import COARSE
from algan_ad.workflows.options import PLANNED, TrainOptions
from algan_ad.workflows.plan import Derived, Plan, entries, set_by_user, values
from algan_ad.workflows.samples import Prepared, prepare

Source = str | Path | NDArray[Any]

IMAGES, VECTORS = "algan-patch", "algan-vector"
SIDES = (128, 224)  # of what algan-patch looks at: of small pictures, and of all others
VARIATIONS = ("horizontal_flip", "vertical_flip", "rotation_degrees", "grayscale")
SQUARE = "the pictures are square or of many shapes, or the method takes squares"
THESIS, UNVARIED = "the thesis's for this data set (5.2.5)", "the method varies no image"
HELPED = 0.95  # largest rest of the differences of good images that an alignment is worth its time for
HARMLESS = 0.6  # largest AUROC of flipped against good images that COMPARED of them do not distinguish from chance

#: Why a detector chose as it did (`Detector.choices`).
CHOICES = {
    "selection": "by the method and the protocol",
    "precision": "what this processor multiplies natively",
    "standardise": "numbers of unlike units are, features of a network are not",
    "dims": "the paper's for a network of this size",
    "layers": "by the network",
}
ANNOUNCED = (
    "method",
    "image_size",
    "align",
    "fit",
    "levels",
    "horizontal_flip",
    "vertical_flip",
    "batch_size",
    "false_alarm_rate",
)


@dataclass(frozen=True)
class Wish:
    """What a user asks of a training; what was not asked for follows from the data and the machine."""

    method: PlanEntry
    settings: Schema
    options: TrainOptions

    @property
    def given(self) -> set[str]:
        """The names of the settings that have a value already."""
        return set_by_user(self.settings) | set_by_user(self.options)


@dataclass(frozen=True)
class Configured:
    """A training that can begin: every setting has its value, and the data is read."""

    detector: Detector
    prepared: Prepared
    facts: Facts
    plan: Plan

    @property
    def false_alarm_rate(self) -> float:
        """The wanted share of good parts flagged."""
        rate = self.plan["false_alarm_rate"].value
        assert isinstance(rate, float)
        return rate


def configure(source: Source, wanted: Wish) -> Configured:
    """Look at the data, derive what the user left open, and make the data ready.

    Raises InputError for unusable data, or settings that contradict it or each other.
    """
    kind, options = find_method(str(wanted.method.value)), wanted.options
    detector = kind(wanted.settings, options.device)
    size = picture_size(source, detector) if detector.input == "image" else None
    early = entries(wanted.settings, _of_size(kind, size))  # the data is read at that size
    detector = kind(kind.Config(**values(early, kind.Config)), options.device)
    prepared = prepare(source, detector, options, options.seed, options.strict)
    facts = measure(prepared, detector, size)
    plan = derive(wanted, facts)
    detector = kind(kind.Config(**values(plan, kind.Config)), options.device)
    return Configured(detector, _recipe_of(plan, prepared), facts, plan)


def derive(wanted: Wish, facts: Facts) -> Plan:
    """Every setting of a training with its value, its origin and, if it is derived, the reason."""
    kind = find_method(str(wanted.method.value))
    detector = kind(wanted.settings, wanted.options.device)
    derived: dict[str, tuple[Any, str]] = {
        name: (value, CHOICES[name]) for name, value in detector.choices(wanted.options.protocol).items()
    }
    derived |= {**_of_size(kind, facts.size), **_of_framing(facts), **_of_alignment(kind, facts)}
    derived |= {**_of_count(kind, facts), **_of_recipe(kind, facts)}
    derived["false_alarm_rate"] = (
        supported_rate(facts.n_calibration), f"what {facts.n_calibration} held-out good samples support"
    )  # fmt: skip
    derived["device"] = (facts.device, "the first of CUDA, MPS and the CPU that is here")
    return {
        "method": wanted.method, **entries(wanted.settings, derived), **entries(wanted.options, derived, PLANNED)
    }  # fmt: skip


def derive_method(source: Source) -> PlanEntry:
    """The method for a source of `train`: vectors take `algan-vector`, images `algan-patch`.

    Raises InputError for a .csv or .parquet that cannot be read.
    """
    return method_for("vector" if _holds_vectors(source) else "image")


def method_for(kind: str) -> PlanEntry:
    """The method for "image" or "vector"."""
    if kind == "vector":
        return PlanEntry(value=VECTORS, origin="derived", reason="a table of numbers")
    why = "images; of the methods that need no GPU and no download, the one that finds small defects best"
    return PlanEntry(value=IMAGES, origin="derived", reason=why)


def _holds_vectors(source: Source) -> bool:
    if isinstance(source, np.ndarray):
        return source.ndim == 2
    path = Path(source)
    return path.suffix.lower() in SUFFIXES and not path.is_dir() and not is_list(path)


def _of_size(kind: type[Detector], size: tuple[int, int] | None) -> Derived:
    """Pictures that are small are looked at in twice their size: a larger one would show nothing more."""
    if kind.name != IMAGES or size is None:
        return {}
    small, usual = SIDES
    side = max(small, 32 * -(-2 * max(size) // 32))
    if not max(size) or side >= usual:
        return {}
    return {"image_size": (side, f"the pictures, {size[0]} x {size[1]}, hold no more than that shows")}


def _of_framing(facts: Facts) -> Derived:
    """As `framing.frame` decided, for want of an option."""
    why = {"proportions": "nearly all pictures are oblong, all alike"}
    derived: dict[str, tuple[Any, str]] = {}
    if facts.fit is not None:
        derived["fit"] = (facts.fit, why.get(facts.fit, SQUARE))
    if facts.levels is not None:
        derived["levels"] = (facts.levels, "the range of the good pictures, and a quarter of it on both sides")
    return derived


def _of_alignment(kind: type[Detector], facts: Facts) -> Derived:
    """Images are aligned where good ones then differ less."""
    if "align" not in kind.Config.model_fields:
        return {}
    rest = facts.unlikeness_aligned
    if rest is None:
        return {"align": (False, f"not measured: that takes {COMPARABLE} images")}
    return {
        "align": (rest <= HELPED, f"once aligned, good images differ {rest} times as much; at most {HELPED} is asked")
    }


def _of_count(kind: type[Detector], facts: Facts) -> Derived:
    """A batch cannot be larger than the data. The methods chosen here draw theirs with replacement."""
    default = kind.Config.model_fields.get("batch_size")
    if default is None or kind.name in (IMAGES, VECTORS) or facts.n_train >= default.default:
        return {}
    return {"batch_size": (max(2, facts.n_train), f"there are {facts.n_train} samples to train on")}


def _of_recipe(kind: type[Detector], facts: Facts) -> Derived:
    """The variations of the training images: only those that leave good parts good."""
    if facts.input == "vector":
        return {}
    thesis = {} if facts.recipe is None else {name: (getattr(facts.recipe, name), THESIS) for name in VARIATIONS}
    grayscale = {"grayscale": thesis.get("grayscale", (False, "colour may show a defect"))}
    if not kind.augments:
        return {"rotation_degrees": (0.0, UNVARIED), **dict.fromkeys(FLIPS, (False, UNVARIED)), **grayscale}
    return thesis or {
        **{name: _of_flip(facts.flips.get(name)) for name in FLIPS}, **grayscale,
        "rotation_degrees": (0.0, "not measured; set it if turned parts are good ones"),
    }  # fmt: skip


def _of_flip(auroc: float | None) -> tuple[bool, str]:
    if auroc is None:
        return False, f"not measured: that takes {COMPARABLE} images"
    return auroc <= HARMLESS, f"flipped good images against good ones have an AUROC of {auroc}; {HARMLESS} is harmless"


def _recipe_of(plan: Plan, prepared: Prepared) -> Prepared:
    """The same data, varied as the plan says."""
    wanted = {name: plan[name].value for name in VARIATIONS if plan[name].value is not None}
    recipe = Recipe(**prepared.data.recipe.model_dump() | wanted)
    return replace(prepared, data=replace(prepared.data, recipe=recipe))


def announce(configured: Configured) -> None:
    """The plan in a few lines: what is trained on, and every choice that matters, with its reason."""
    facts, plan = configured.facts, configured.plan
    what = "images" if facts.input == "image" else "vectors"
    machine = f"{facts.device}, {facts.cores} {'core' if facts.cores == 1 else 'cores'}"
    content = "" if facts.content is None else f" ({facts.content})"
    log(
        f"plan: {facts.n_train} good {what}{content} to train on, {facts.n_calibration} to set the threshold; {machine}"
    )
    for name in ANNOUNCED:
        if (
            (entry := plan.get(name)) is not None
            and entry.origin == "derived"
            and entry.value not in (False, "stretch")
        ):
            shown = float(f"{entry.value:.3g}") if isinstance(entry.value, float) else entry.value
            log("  ", Option(name, shown), f": {entry.reason}")
    if facts.nearly_copies:
        log(
            f"  warning: {facts.nearly_copies} good images nearly repeat another one, which promises fewer false "
            "alarms than happen; list the images in a CSV file whose column group names the part that each one shows"
        )
    side = plan["image_size"].value if "image_size" in plan else None
    if isinstance(side, int) and facts.size and plan["tiles"].value is None and min(facts.size) >= COARSE * side:
        log(
            f"  the pictures, {facts.size[0]} x {facts.size[1]}, are reduced to {side} x {side}: a defect of fewer "
            f"than {max(facts.size) // side} pixels cannot be seen; crop to the part, or set ",
            Option("tiles", "auto"),
        )  # fmt: skip
