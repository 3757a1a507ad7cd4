"""Preparation and variation of the images of one kind of part (thesis 5.2.5)."""

from pydantic import Field

from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.schema import Schema

CROP_RATIO = 256 / 224  # thesis 5.2.5: objects are resized to 256 x 256, then centre-cropped to 224 x 224


class Recipe(Schema):
    """Pre-processing and augmentation that leave a normal part normal. The default changes nothing.

    Attributes:
        horizontal_flip, vertical_flip: mirror a random half of the training images.
        rotation_degrees: rotate by a random angle within plus or minus this many degrees, 0 to 180.
        grayscale: remove colour before anything else.
        centre_crop: for feature networks, resize to 256/224 of the size and keep the centre.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation_degrees: float = Field(default=0.0, ge=0.0, le=180.0)
    grayscale: bool = False
    centre_crop: bool = False

    @property
    def augments(self) -> bool:
        """True when the recipe varies the training images."""
        return self.horizontal_flip or self.vertical_flip or self.rotation_degrees > 0

    def for_images(self, size: int = 256) -> Preprocessing:
        """Preprocessing of a network that sees pixels: the whole image, `size` x `size`."""
        return Preprocessing(size=size, resize=None, grayscale=self.grayscale)

    def for_features(self, size: int = 224) -> Preprocessing:
        """Preprocessing of a feature network: `size` x `size`, centre-cropped where the recipe says so."""
        resize = round(size * CROP_RATIO) if self.centre_crop else None
        return Preprocessing(size=size, resize=resize, grayscale=self.grayscale)
