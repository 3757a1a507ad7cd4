"""Images are turned and shifted so that their parts lie alike, and maps are brought back."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from algan_ad.features.alignment import REACH, Alignment


def part(turn: float = 0.0, down: float = 0.0, right: float = 0.0, size: tuple[int, int] = (96, 96)) -> Tensor:
    """A bar with a round head on a grey ground, turned clockwise by degrees and moved by pixels."""
    height, width = size
    y, x = np.mgrid[:height, :width] + 0.5
    y, x = y - height / 2 - down, x - width / 2 - right
    angle = math.radians(turn)
    u, v = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    outside = np.minimum(np.maximum(abs(u) - 28, abs(v + 5) - 9), np.hypot(u - 20, v - 6) - 13)
    grey = 60 + 130 / (1 + np.exp(np.clip(outside, -20, 20)))
    return torch.from_numpy(np.repeat(np.rint(grey)[..., None], 3, 2).astype(np.uint8))[None]


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    return Alignment().fit(torch.cat([part()] * 2))


@settings(max_examples=30, deadline=None)
@given(st.floats(-4, 4), st.floats(-7, 7), st.floats(-7, 7))
def test_moves_are_found(turn: float, down: float, right: float) -> None:
    found = Alignment().fit(torch.cat([part()] * 2)).moves(part(turn, down, right))[0]
    assert math.degrees(found[0]) == pytest.approx(turn, abs=1.0)
    assert (96 * found[1:]).tolist() == pytest.approx([down, right], abs=0.6)


def test_oblong_images() -> None:
    size = 80, 120
    alignment = Alignment().fit(torch.cat([part(size=size)] * 2))
    moved, moves = alignment(part(3, 4, -5, size))
    assert (moves[0] * torch.tensor([180 / math.pi, *size])).tolist() == pytest.approx([3, 4, -5], abs=1.0)
    assert (moved - part(size=size)).abs().mean() < 1.5
    assert (part(3, 4, -5, size).float() - part(size=size)).abs().mean() > 6


def test_maps_are_brought_back(alignment: Alignment) -> None:
    image = part(3, -4, 5)
    moved, moves = alignment(image)
    inner = slice(10, -10)
    back = alignment.back(moved.mean(3), moves)
    assert (back - image.float().mean(3))[:, inner, inner].abs().mean() < 1.0


def test_the_reference_is_the_middle_of_the_images() -> None:
    images = torch.cat([part(0, down, 0) for down in (-6, -3, 0, 3, 6)])
    moved = Alignment().fit(images)(images)[0]
    assert moved.var(0).mean() < images.float().var(0).mean() / 20
    assert (moved.mean(0) - part()[0]).abs().mean() < 1.5


def test_what_is_seen_alone_and_among_others_moves_alike(alignment: Alignment) -> None:
    images = torch.cat([part(2, 1, 1), part(-3, 0, 6), part(0, -5, 0)])
    alone = torch.cat([alignment.moves(each[None]) for each in images])
    assert torch.allclose(alignment.moves(images), alone, atol=1e-5)


@pytest.mark.parametrize("value", [0, 255])
def test_an_image_of_one_level_stays(alignment: Alignment, value: int) -> None:
    image = torch.full((1, 96, 96, 3), value, dtype=torch.uint8)
    moved, moves = alignment(image)
    assert torch.equal(moved, image.float())
    assert moves.abs().max() <= REACH


def test_noise_moves_little_and_finitely(alignment: Alignment) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (4, 96, 96, 3)).astype(np.uint8))
    assert alignment.moves(noise).abs().max() <= REACH + math.radians(6)


def test_further_channels_move_along(alignment: Alignment) -> None:
    image = torch.cat([part(0, 5, 0), part(0, 5, 0)[..., :1]], 3)
    moved = alignment(image)[0]
    assert torch.allclose(moved[..., 3], moved[..., 0])


def test_a_picture_turned_by_another_library() -> None:
    picture = Image.fromarray(part()[0].numpy())
    turned = np.asarray(picture.rotate(-4, Image.Resampling.BICUBIC, fillcolor=(60, 60, 60)))  # clockwise
    found = Alignment().fit(torch.cat([part()] * 2)).moves(torch.from_numpy(turned.copy())[None])[0]
    assert math.degrees(found[0]) == pytest.approx(4, abs=1.0)
