"""A made-up part: a machined metal plate with a bore and four bolt holes, photographed on a dark belt.

Everything is drawn from signed distances (negative inside), in the plate's own frame: u to the right, v
down, the picture spanning -1 to 1. A defect is drawn by a generator of its own, so that the same plate can be
rendered with and without it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from algan_ad.runtime.images import Pixels

Field = NDArray[np.floating[Any]]  # (S, S), float32
Points = NDArray[np.float64]  # (n, 2): u and v
Rng = np.random.Generator

HALF_WIDTH, HALF_HEIGHT, CORNER = 0.80, 0.62, 0.16
BORE, BOLT, BOLT_U, BOLT_V = 0.25, 0.075, 0.58, 0.40
VISIBLE = 10  # grey levels of 255: the mask of a defect holds the pixels that it changes by more than this


@dataclass
class Scene:
    """The plate before it is lit. `solid`: signed distance to the metal; `height`: relief of its surface;
    `colour`: (S, S, 3), 0 to 1."""

    u: Field
    v: Field
    solid: Field
    height: Field
    colour: Field


def make_part(key: Sequence[int], size: int, defect: str | None = None) -> tuple[Pixels, Pixels]:
    """The picture, uint8 (size, size, 3), and its mask, uint8 (size, size), 255 where the defect shows.

    `key` seeds everything; the same key with another defect gives the same plate in the same light.
    """
    clean = _render(key, size, None)
    if defect is None:
        return clean, np.zeros((size, size), np.uint8)
    picture = _render(key, size, defect)
    change = np.abs(picture.astype(int) - clean).max(axis=-1)
    mask = Image.fromarray(np.where(change > VISIBLE, 255, 0).astype(np.uint8))
    closed = mask.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.MinFilter(3))  # without pinholes
    return picture, np.array(closed)


def _render(key: Sequence[int], size: int, defect: str | None) -> Pixels:
    rng = np.random.default_rng([*key, 0])
    scene = _plate(rng, 2 * size)
    picture_noise = rng.normal(0, 1.6 / 255, (size, size, 3))
    light = _light(rng, scene)
    if defect is not None:
        DEFECTS[defect](scene, np.random.default_rng([*key, 1]))
    fine = _shade(scene, *light)
    picture = (fine[::2, ::2] + fine[::2, 1::2] + fine[1::2, ::2] + fine[1::2, 1::2]) / 4
    return np.clip(255 * (picture + picture_noise) + 0.5, 0, 255).astype(np.uint8)


def _plate(rng: Rng, side: int) -> Scene:
    axis = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    angle, scale = rng.normal(0, math.radians(1.2)), rng.normal(1, 0.01)
    x, y = x - rng.normal(0, 0.02), y - rng.normal(0, 0.02)
    u = (math.cos(angle) * x + math.sin(angle) * y) / scale
    v = (math.cos(angle) * y - math.sin(angle) * x) / scale
    solid = _box(u, v)
    holes = [(0.0, 0.0, BORE), *((a * BOLT_U, b * BOLT_V, BOLT) for a in (-1, 1) for b in (-1, 1))]
    for hole_u, hole_v, radius in holes:
        solid = np.maximum(solid, radius - _length(u - hole_u, v - hole_v))
    brushed = _noise(rng, side, (side // 2, 6)) + 0.6 * _noise(rng, side, (side // 4, 3))
    mottled = _noise(rng, side, (5, 5))
    tone = 0.55 + 0.02 * rng.normal() + 0.030 * brushed + 0.022 * mottled
    tint = np.array([0.97, 1.0, 1.04]) + rng.normal(0, 0.008, 3)
    return Scene(u, v, solid, 0.003 * brushed, tone[..., None] * tint)


def _box(u: Field, v: Field) -> Field:
    du, dv = np.abs(u) - HALF_WIDTH + CORNER, np.abs(v) - HALF_HEIGHT + CORNER
    outside = _length(np.maximum(du, 0), np.maximum(dv, 0))
    return outside + np.minimum(np.maximum(du, dv), 0) - CORNER


def _length(a: Field, b: Field) -> Field:
    return np.sqrt(a * a + b * b)  # np.hypot guards against overflow, at five times the time


def _noise(rng: Rng, side: int, cells: tuple[int, int]) -> Field:
    """Smooth noise of unit variance from a coarse grid of `cells` (rows, columns)."""
    coarse = Image.fromarray(rng.normal(size=cells).astype(np.float32))
    field = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
    normal: Field = (field - field.mean()) / field.std()
    return normal


def _light(rng: Rng, scene: Scene) -> tuple[Field, Field, float]:
    """Brightness over the picture, the belt, and the direction of the light."""
    direction = math.radians(rng.normal(-130, 8))
    across = math.cos(direction) * scene.u + math.sin(direction) * scene.v
    brightness = rng.normal(1, 0.03) * (1 + rng.normal(0.10, 0.03) * across)
    belt = 0.13 + 0.012 * _noise(rng, len(scene.u), (len(scene.u) // 3,) * 2)
    return brightness, belt, direction


def _shade(scene: Scene, brightness: Field, belt: Field, direction: float) -> Field:
    bevel = 0.05
    height = scene.height + bevel * np.sqrt(np.clip(-scene.solid / bevel, 0, 1))
    step = 2 / len(scene.u)
    slope_v, slope_u = np.gradient(height, step)
    facing = np.clip(slope_u * math.cos(direction) + slope_v * math.sin(direction), -1.2, 1.2)
    metal = scene.colour * (1 - 0.32 * facing)[..., None]
    shadow = np.clip(0.45 + scene.solid / 0.16, 0.45, 1)  # the belt is darker close to the plate
    floor = (belt * shadow)[..., None] * np.array([1.0, 1.02, 1.05])
    cover = np.clip(0.5 - scene.solid / step, 0, 1)[..., None]
    lit: Field = brightness[..., None] * (cover * metal + (1 - cover) * floor)
    return lit


def _scratch(scene: Scene, rng: Rng) -> None:
    heading, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 0.9)
    points = _wander(rng, np.zeros(2), heading, length=length, steps=8, bend=0.12)
    points += _on_plate(rng) - points[4]
    distance = _to_line(scene, points)
    width = rng.uniform(0.028, 0.038)
    groove = np.exp(-((distance / width) ** 2))
    scene.height -= 0.010 * groove
    scene.colour += (rng.uniform(0.34, 0.44) * groove)[..., None]


def _hole(scene: Scene, rng: Rng) -> None:
    u, v = _on_plate(rng)
    radius = rng.uniform(0.085, 0.12)
    scene.solid = np.maximum(scene.solid, radius - _length(scene.u - u, scene.v - v))


def _stain(scene: Scene, rng: Rng) -> None:
    u, v = _on_plate(rng)
    ragged = 0.05 * _noise(rng, len(scene.u), (12, 12))
    radius = _length((scene.u - u) / rng.uniform(1.0, 1.6), scene.v - v) + ragged
    strength = rng.uniform(0.75, 1.0) / (1 + np.exp((radius - rng.uniform(0.15, 0.22)) / 0.015))
    scene.colour *= 1 - strength[..., None] * np.array([0.30, 0.48, 0.68])


def _chip(scene: Scene, rng: Rng) -> None:
    corner_u, corner_v = rng.choice([-1, 1], 2)
    u, v = (scene.u * corner_u - HALF_WIDTH), (scene.v * corner_v - HALF_HEIGHT)
    slant = rng.uniform(0.7, 1.4)
    ragged = 0.02 * _noise(rng, len(scene.u), (16, 16))
    left = (u * slant + v) / math.hypot(slant, 1) + rng.uniform(0.24, 0.32) + ragged
    scene.solid = np.maximum(scene.solid, left)


def _crack(scene: Scene, rng: Rng) -> None:
    """Cut a crack that runs inwards from the upper or lower edge, narrows and has a branch."""
    start_u = rng.uniform(-0.5, 0.5)
    side = rng.choice([-1, 1])
    start = np.array([start_u, side * HALF_HEIGHT])
    heading = -side * np.pi / 2 + rng.normal(0, 0.25)
    points = _wander(rng, start, heading, length=rng.uniform(0.38, 0.55), steps=9, bend=0.55)
    branch = _wander(rng, points[4], heading + rng.choice([-0.9, 0.9]), length=0.18, steps=4, bend=0.4)
    widest = rng.uniform(0.026, 0.034)
    for line, width in ((points, widest), (branch, 0.7 * widest)):
        narrowing = width * np.clip(1.2 - _length(scene.u - start[0], scene.v - start[1]) / 0.9, 0.4, 1)
        # twice as steep as a distance: the rim of a crack is sharp
        scene.solid = np.maximum(scene.solid, 2 * (narrowing - _to_line(scene, line)))


DEFECTS: dict[str, Callable[[Scene, Rng], None]] = {
    "chip": _chip,
    "crack": _crack,
    "hole": _hole,
    "scratch": _scratch,
    "stain": _stain,
}


def _on_plate(rng: Rng) -> Points:
    """A point on the metal, clear of the edge, the bore and the bolt holes."""
    while True:
        u, v = rng.uniform(-1, 1) * (HALF_WIDTH - 0.16), rng.uniform(-1, 1) * (HALF_HEIGHT - 0.16)
        clear_of_bore = math.hypot(u, v) > BORE + 0.14
        if clear_of_bore and math.hypot(abs(u) - BOLT_U, abs(v) - BOLT_V) > BOLT + 0.12:
            return np.array([u, v])


def _wander(rng: Rng, start: Points, heading: float, *, length: float, steps: int, bend: float) -> Points:
    """A polyline (steps + 1, 2) of `length` that turns by about `bend` radians at each step."""
    headings = heading + np.cumsum(rng.normal(0, bend, steps)) * np.linspace(0.5, 1, steps)
    moves = length / steps * np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    return np.concatenate([start[None], start + np.cumsum(moves, axis=0)])


def _to_line(scene: Scene, points: Points) -> Field:
    """Distance of every pixel to a polyline (n, 2)."""
    distance = np.full(scene.u.shape, np.inf)
    for (u0, v0), (u1, v1) in pairwise(points.tolist()):
        du, dv = u1 - u0, v1 - v0
        along = np.clip(((scene.u - u0) * du + (scene.v - v0) * dv) / (du**2 + dv**2), 0, 1)
        distance = np.minimum(distance, _length(scene.u - u0 - along * du, scene.v - v0 - along * dv))
    return distance
