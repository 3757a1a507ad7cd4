"""An image under several rotations: 24 in training and 64 in prediction (thesis 5.2.5)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample


class Rotations(nn.Module):
    """Rotated images, (N, H, W, 3) -> (N * count, H, W, 3): each at `count` angles in equal steps of the full turn.

    The first angle is 0. Pixels from outside the image continue its edge. uint8 becomes float32, still
    0..255; with a count of 0 or 1 the images pass unchanged.
    """

    matrices: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = max(1, count)
        angles = [2 * math.pi * i / self.count for i in range(self.count)]
        matrices = [[[math.cos(a), -math.sin(a), 0.0], [math.sin(a), math.cos(a), 0.0]] for a in angles]
        self.register_buffer("matrices", torch.tensor(matrices), persistent=False)  # (count, 2, 3)

    def forward(self, images: Tensor) -> Tensor:
        if self.count == 1:
            return images
        n, height, width, _ = images.shape
        # Square coordinates, so that a rotation stays one where height and width differ.
        aspect = torch.tensor([[1.0, height / width, 1.0], [width / height, 1.0, 1.0]], device=images.device)
        grid = affine_grid(self.matrices * aspect, [self.count, 3, height, width], align_corners=False)
        x = images.permute(0, 3, 1, 2).float().repeat_interleave(self.count, 0)
        rotated = grid_sample(x, grid.repeat(n, 1, 1, 1), padding_mode="border", align_corners=False)
        return rotated.permute(0, 2, 3, 1)
