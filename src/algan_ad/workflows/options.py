"""Options of a training except the method's own: one schema for Python, the command line and the plan of a run."""

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import Field, field_validator

from algan_ad.data.recipe import Recipe
from algan_ad.data.splits import DEFAULT_FRACTION
from algan_ad.runtime.images import Levels
from algan_ad.runtime.protocols import Protocol, described
from algan_ad.runtime.schema import Schema
from algan_ad.training.budget import seconds_of
from algan_ad.training.device import DeviceName
from algan_ad.training.trackers import TrackerName

CHECKPOINT_SECONDS = 60.0
FRAMING = ("draft", "fit", "levels", "roi", "tiles")  # options for images alone
PictureFit = Literal["stretch", "proportions", "letterbox"]
_OF_DATA = "None = as suits the data set (5.2.5)"


class DataOptions(Schema):
    """The division and the preparation of the data. An option that is None follows from the data set (5.2.5)."""

    protocol: Protocol = Field("normal-only", description=described())
    calibration_fraction: float = Field(
        DEFAULT_FRACTION, gt=0, lt=1, description="share of the good samples held out to set the threshold"
    )
    horizontal_flip: bool | None = Field(None, description=f"mirror half of the training images; {_OF_DATA}")
    vertical_flip: bool | None = Field(None, description=f"turn half of the training images upside down; {_OF_DATA}")
    rotation_degrees: float | None = Field(
        None, ge=0, le=180, description=f"rotate training images by up to this many degrees, either way; {_OF_DATA}"
    )
    grayscale: bool | None = Field(None, description=f"drop the colour; {_OF_DATA}")

    fit: PictureFit | None = Field(
        None,
        description="stretch pictures to a square; give all the proportions of most pictures; or letterbox: keep those "
        "of each picture, and leave out what is no picture; None = proportions for pictures of algan-patch and "
        "algan-wavelet that are oblong, all alike, else stretch",
    )
    levels: Levels | None = Field(
        None,
        description="values of 16-bit grey pictures that become black and white; None = their range in good pictures "
        "and a quarter of it on both sides",
    )
    roi: str | None = Field(
        None,
        description="region of interest, what lies outside does not count: an image whose white part counts, or the "
        "corners x,y of a polygon as shares of width and height, '0.1,0.1 0.9,0.1 0.5,0.9'; several are separated by ;",
    )
    draft: bool = Field(
        False,
        description="let the JPEG decoder scale large photographs down, to twice the method's size or more, in "
        "training and ever after: quicker, slightly other pixels",
    )
    tiles: Annotated[int, Ge(1)] | Literal["auto"] | None = Field(
        None,
        description="overlapping tiles along the longer side of large pictures, each as large as the method's square; "
        "the highest score counts; auto: as many as leave 4 pixels to 1",
    )

    @property
    def wishes(self) -> dict[str, bool | float]:
        """The part of the recipe that the user set."""
        names = ("horizontal_flip", "vertical_flip", "rotation_degrees", "grayscale")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def recipe(self, default: Recipe) -> Recipe:
        """The data set's recipe with the user's wishes put in."""
        return Recipe(**default.model_dump() | self.wishes)


class TrainOptions(DataOptions):
    """The options of a training, whatever the method."""

    false_alarm_rate: float | None = Field(
        None, ge=1e-6, lt=1, description="wanted share of good parts flagged; None = what the held-out ones support"
    )
    seed: int = Field(0, ge=0, description="the same seed gives the same model, bit for bit on one machine")
    device: DeviceName = Field("auto", description="device to compute on; auto: CUDA, then MPS, then the CPU")
    threads: int | None = Field(None, ge=1, description="threads of one operation; None = the physical cores")
    within: str | None = Field(
        None, description="time that the training may take, as 90s, 3m or 1h; it ends with the epoch that keeps it"
    )
    resume: bool = Field(False, description="continue the unfinished run of the model folder")
    overwrite: bool = Field(
        False, description="replace the model in the folder once the new one is whole; forget an unfinished run"
    )
    strict: bool = Field(False, description="an unreadable file ends the run instead of being skipped and listed")
    checkpoint_seconds: float = Field(
        CHECKPOINT_SECONDS, ge=0, description="least time between two checkpoints, in seconds"
    )
    track: tuple[TrackerName, ...] = Field((), description="log the metrics with these, too")
    export: bool = Field(True, description="network.onnx, by which the model scores without torch")
    quality_backbone: str | None = Field(
        None,
        description="network that judges generated images: Fréchet distance, inception score (5.8); None = no judge",
    )
    quality_weights: Path | None = Field(None, description="weights file of that network; None = downloaded")

    @field_validator("within")
    @classmethod
    def _a_time(cls, within: str | None) -> str | None:
        if within is not None:
            seconds_of(within)
        return within


#: Options that decide the model: they stand in the plan of a run beside the method's settings.
PLANNED = (*DataOptions.model_fields, "false_alarm_rate", "seed", "device", "within")
