"""Random flips and rotations that leave a normal part normal (thesis 5.2.5)."""

import kornia.augmentation as K
from torch import Tensor, nn

from algan_ad.data.recipe import Recipe


class Augment(nn.Module):
    """Random variation of each image of a batch, float (B, C, H, W), by torch's global generator.

    Flips are exact; a rotation fills what it uncovers from the border of the image. An empty recipe returns
    the batch itself. There are no parameters, and images are varied in train and eval mode alike.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        if recipe.horizontal_flip:
            steps.append(K.RandomHorizontalFlip(p=0.5))
        if recipe.vertical_flip:
            steps.append(K.RandomVerticalFlip(p=0.5))
        if recipe.rotation_degrees > 0:
            # RandomRotation has no border fill
            steps.append(K.RandomAffine(degrees=recipe.rotation_degrees, padding_mode="border", p=1.0))
        self.steps = nn.Sequential(*steps)

    def forward(self, images: Tensor) -> Tensor:
        varied: Tensor = self.steps(images)
        return varied
