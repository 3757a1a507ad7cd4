from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision import models

from algan_ad.features.backbones import RANDOM, Backbone, PyramidBackbone
from algan_ad.runtime.errors import InputError

WEIGHTS = Path(__file__).parents[3] / "shared" / "weights"
RESNET, SQUEEZENET = "resnet18.layers1-3.imagenet1k.safetensors", "squeezenet1_1.imagenet1k.safetensors"


def shared(name: str) -> Path:
    if not (WEIGHTS / name).exists():
        pytest.skip(f"{WEIGHTS / name} is absent")
    return WEIGHTS / name


def pixels(n: int = 2, side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, side, side, 3), dtype=torch.uint8, generator=generator)


def test_features_are_those_of_the_plain_network() -> None:
    """The expected features are normalised, cut and averaged by hand."""
    backbone = Backbone("resnet18", "layer2", RANDOM)
    torch.manual_seed(0)
    network = models.resnet18().eval()
    x = pixels().permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    expected = network.layer2(network.layer1(x)).mean((2, 3))
    torch.testing.assert_close(backbone(pixels()), expected)


@pytest.mark.parametrize(
    ("name", "layer", "dim"),
    [("resnet18", "layer4", 512), ("squeezenet1_1", "features", 512), ("vit_b_32", "encoder", 768)],
)
def test_last_block_of_torchvision_networks(name: str, layer: str, dim: int) -> None:
    backbone = Backbone(name, weights=RANDOM)
    assert backbone.layer == layer
    assert backbone(pixels(1, 224)).shape == (1, dim)


def test_a_network_of_timm() -> None:
    assert Backbone("resnet10t", weights=RANDOM)(pixels()).shape == (2, 512)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "vit_tiny_patch16_224", "convnext_atto"])
def test_stages_of_timm_networks_are_those_of_the_plain_network(name: str) -> None:
    """Also of those that cannot be traced, in the order asked for."""
    backbone = PyramidBackbone(name, _stage_names(name)[2:0:-1], RANDOM)
    torch.manual_seed(0)
    network = timm.create_model(name).eval()
    mean, std = (torch.tensor(network.pretrained_cfg[key]) for key in ("mean", "std"))
    x = ((pixels(1, 224) / 255 - mean) / std).permute(0, 3, 1, 2)
    seen: dict[str, torch.Tensor] = {}
    for layer in backbone.layers:
        network.get_submodule(layer).register_forward_hook(lambda _, __, out, layer=layer: seen.update({layer: out}))
    network(x)
    for layer, found in zip(backbone.layers, backbone(pixels(1, 224)), strict=True):
        expected = seen[layer] if seen[layer].ndim == 4 else seen[layer][:, 1:].mT.reshape(found.shape)  # tokens
        torch.testing.assert_close(found, expected)


def _stage_names(name: str) -> list[str]:
    return [str(stage["module"]) for stage in timm.create_model(name).feature_info]


def test_a_timm_network_keeps_no_layer_behind_the_last_stage() -> None:
    kept = PyramidBackbone("tf_efficientnet_lite0", ["blocks.2", "blocks.1"], RANDOM).state_dict()
    assert not any(name.startswith(("network.blocks.3", "network.conv_head", "network.classifier")) for name in kept)


def test_networks_and_layers_that_give_no_features_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"blocks.3: not a stage of tf_efficientnet_lite0; it has blocks.0, blocks.1"):
        PyramidBackbone("tf_efficientnet_lite0", ["blocks.3"], RANDOM)
    monkeypatch.delattr("timm.models.efficientnet.EfficientNet.forward_intermediates")
    with pytest.raises(InputError, match="timm extracts no features from it; choose another"):
        PyramidBackbone("tf_efficientnet_lite0", ["blocks.2"], RANDOM)


def test_only_the_needed_layers_stay_and_all_are_frozen() -> None:
    backbone = Backbone("resnet18", "layer1", RANDOM).train()
    assert not any(name.startswith("network.layer2") for name in backbone.state_dict())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not backbone.network.training


def test_building_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    Backbone("squeezenet1_1", weights=RANDOM)
    assert torch.rand(1) == expected


def test_float_images_are_taken_as_0_to_255() -> None:
    backbone = Backbone("squeezenet1_1", weights=RANDOM)
    torch.testing.assert_close(backbone(pixels().float()), backbone(pixels()))


def test_unknown_names_get_close_matches() -> None:
    with pytest.raises(InputError, match="wide_resnet101_2"):
        Backbone("wide_resnet101", weights=RANDOM)
    with pytest.raises(InputError, match=r"layer layer33.*layer3"):
        Backbone("resnet18", "layer33", RANDOM)


@pytest.mark.parametrize("name", ["resnet18", "resnet10t"])
def test_without_a_connection_a_local_file_is_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", unreachable)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    monkeypatch.setattr("timm.models._builder.load_pretrained", unreachable)
    with pytest.raises(InputError, match="backbone_weights"):
        Backbone(name)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_local_files(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(5)
    network = models.squeezenet1_1().eval()
    path = tmp_path / f"w.{suffix}"
    save_file(network.state_dict(), path) if suffix == "safetensors" else torch.save(network.state_dict(), path)
    backbone = Backbone("squeezenet1_1", weights=path)
    torch.testing.assert_close(backbone.network.state_dict()["features.0.weight"], network.features[0].weight.data)


def test_a_partial_file_serves_the_layers_it_has(tmp_path: Path) -> None:
    state = {k: v for k, v in models.resnet18().state_dict().items() if not k.startswith(("layer4", "fc"))}
    save_file(state, path := tmp_path / "w.safetensors")
    assert Backbone("resnet18", "layer3", path)(pixels()).shape == (2, 256)
    with pytest.raises(InputError, match=r"lacks layer4 of resnet18.*up to layer3"):
        Backbone("resnet18", weights=path)


def test_unusable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such weights file"):
        Backbone("resnet18", weights=tmp_path / "absent.pth")
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="not a weights file"):
        Backbone("resnet18", weights=tmp_path / "bad.safetensors")
    torch.save(models.resnet18, tmp_path / "code.pth")  # a pickled function must not be loaded
    with pytest.raises(InputError, match="not a weights file"):
        Backbone("resnet18", weights=tmp_path / "code.pth")
    state = models.squeezenet1_1().state_dict()
    state["features.0.weight"] = torch.zeros(1, 1)
    save_file(state, tmp_path / "shape.safetensors")
    with pytest.raises(InputError, match="not the weights of squeezenet1_1"):
        Backbone("squeezenet1_1", weights=tmp_path / "shape.safetensors")


def test_several_layers_are_those_of_one_each() -> None:
    """The layers come in the order asked for, unpooled."""
    maps = PyramidBackbone("resnet18", ["layer3", "layer1"], RANDOM)(pixels())
    assert [tuple(found.shape) for found in maps] == [(2, 256, 4, 4), (2, 64, 16, 16)]
    for found, layer in zip(maps, ["layer3", "layer1"], strict=True):
        torch.testing.assert_close(found.mean((2, 3)), Backbone("resnet18", layer, RANDOM)(pixels()))


def test_pyramids_of_a_partial_file_or_of_what_is_not_there(tmp_path: Path) -> None:
    state = {k: v for k, v in models.resnet18().state_dict().items() if not k.startswith(("layer3", "layer4", "fc"))}
    save_file(state, path := tmp_path / "w.safetensors")
    assert len(PyramidBackbone("resnet18", ["layer1", "layer2"], path)(pixels())) == 2
    with pytest.raises(InputError, match=r"lacks layer3 of resnet18.*up to layer2"):
        PyramidBackbone("resnet18", ["layer1", "layer3"], path)
    with pytest.raises(InputError, match=r"layers layer22: not in resnet18; it has layer2"):
        PyramidBackbone("resnet18", ["layer1", "layer22"], RANDOM)


def test_layers_without_positions_make_no_pyramid() -> None:
    with pytest.raises(InputError, match=r"layers flatten: gives \(512,\) an image, not a map"):
        PyramidBackbone("resnet18", ["layer2", "flatten"], RANDOM)(pixels())


@pytest.mark.shared
def test_real_resnet_file_without_layer4() -> None:
    path = shared(RESNET)
    with pytest.raises(InputError, match=r"lacks layer4.*up to layer3"):
        Backbone("resnet18", weights=path)
    assert Backbone("resnet18", "layer3", path)(pixels()).shape == (2, 256)


@pytest.mark.shared
def test_real_weights_see_what_random_ones_do_not() -> None:
    real, random = (Backbone("squeezenet1_1", weights=w)(pixels()) for w in (shared(SQUEEZENET), RANDOM))
    assert torch.isfinite(real).all()
    assert not torch.allclose(real, random)
