"""Frozen networks, trained on ImageNet, as feature extractors. torchvision and timm, seconds to import, are left for
when a network is made."""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.fx.proxy import TraceError

from algan_ad.features.packaged import PACKAGED, fill
from algan_ad.runtime.errors import InputError, Option

RANDOM = Path("random")  # weights: as initialised, for tests and for what a model folder fills in
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: The last block of the torchvision families, the first name that a network has; timm's networks name theirs.
LAST_BLOCKS = ("layer4", "permute", "features", "trunk_output", "conv5", "layers", "blocks", "Mixed_7c",
               "inception5b", "encoder")  # fmt: skip


class FeatureNetwork(nn.Module):
    """A network cut behind the wanted layers, with its input normalisation; frozen and in eval mode by default.

    Args:
        name: of a torchvision classification network or, failing that, a timm network.
        layers: modules or operations of a torchvision network, "layer3" or "features.7"; stages of a timm network, by
            the names in its `feature_info`; None = its last block.
        weights: a .safetensors or .pth file of the network's parameters (of a partial file, those up to
            the layers are needed); None = those that install with this package (`PACKAGED`) or, failing that,
            downloaded, the first weights published (those of the literature); `RANDOM` = as initialised from a
            fixed seed.
        trainable: whether it learns, and leaves eval mode when it is told to.

    Raises:
        InputError: unknown name or layer, weights that cannot be downloaded, read or matched to the network.
    """

    mean: Tensor
    std: Tensor
    option: ClassVar[tuple[str | Option, ...]]  # that names the layers, for messages
    stages: dict[str, int] | None = None  # of a timm network: number of each layer among its stages

    def __init__(
        self, name: str, layers: Sequence[str | None], weights: Path | str | None = None, trainable: bool = False
    ) -> None:
        super().__init__()
        self.trainable = trainable
        weights = None if weights is None else Path(weights)
        network = make_network(name, pretrained=weights is None)
        self.layers = tuple(layer or last_block(name, network) for layer in layers)
        if hasattr(network, "feature_info"):
            self.stages = _stages(name, network, self.layers, self.option)
            timm_network: Any = network
            timm_network.prune_intermediate_layers(sorted(set(self.stages.values())), prune_norm=True)
            self.network: Any = network
        else:
            self.network = _up_to(name, network, self.layers, self.option)
        if weights is not None and weights != RANDOM:
            load_weights(name, self.network, weights)
        mean, std = input_statistics(network)
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)
        self.requires_grad_(trainable).eval()

    def train(self, mode: bool = True) -> Self:
        """A frozen network stays in eval mode."""
        return super().train(mode and self.trainable)

    def outputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """uint8 (or float, 0..255) images (N, H, W, 3), or with marks (`marks.py`) -> what each layer makes of them."""
        x = ((images[..., :3].float() / 255 - self.mean) / self.std).permute(0, 3, 1, 2)
        if self.stages is None:
            found = self.network(x)
        else:
            stages = sorted(set(self.stages.values()))
            maps = self.network.forward_intermediates(x, indices=stages, intermediates_only=True)
            found = {layer: maps[stages.index(stage)] for layer, stage in self.stages.items()}
        return tuple(found[layer] for layer in self.layers)


class Backbone(FeatureNetwork):
    """uint8 (or float, 0..255) images (N, H, W, 3) -> float32 (N, d): one layer, averaged over positions.

    Arguments and errors: `FeatureNetwork`.
    """

    option: ClassVar[tuple[str | Option, ...]] = (Option("layer"),)

    def __init__(
        self, name: str, layer: str | None = None, weights: Path | str | None = None, trainable: bool = False
    ) -> None:
        super().__init__(name, [layer], weights, trainable)
        self.layer = self.layers[0]

    def forward(self, images: Tensor) -> Tensor:
        return pooled(self.outputs(images)[0])


class PyramidBackbone(FeatureNetwork):
    """uint8 (or float, 0..255) images (N, H, W, 3) -> maps of several layers, float32 (N, C_l, H_l, W_l) each.

    Arguments and errors: `FeatureNetwork`; and an InputError for a layer that has no positions.
    """

    option: ClassVar[tuple[str | Option, ...]] = (Option("layers"),)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.outputs(images)
        for layer, found in zip(self.layers, maps, strict=True):
            if found.ndim != 4:
                raise InputError(
                    *self.option,
                    f" {layer}: gives {tuple(found.shape[1:])} an image, not a map of channels, height "
                    "and width; choose layers of a convolutional network",
                )
        return maps


def pooled(features: Tensor) -> Tensor:
    """(N, C, H, W), (N, tokens, C) or (N, C) -> (N, C)."""
    if features.ndim == 4:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == 3 else features


def make_network(name: str, pretrained: bool) -> nn.Module:
    """The whole network in eval mode, with packaged or downloaded weights or as initialised from a fixed seed."""
    import timm
    from torchvision import models

    download = pretrained and name not in PACKAGED

    if name in models.list_models(module=models):
        weights = next(iter(models.get_model_weights(name))) if download else None
        return _build(name, lambda: models.get_model(name, weights=weights), download)
    if name in timm.list_models():
        network = _build(name, lambda: timm.create_model(name, pretrained=download), download)
        if pretrained and not download:
            fill(network, PACKAGED[name])
        return network
    near = get_close_matches(name, [*models.list_models(module=models), *timm.list_models()], 3, 0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ", as wide_resnet101_2 is"
    raise InputError(Option("backbone", name), f": not a network of torchvision or timm{hint}")


def _build(name: str, make: Callable[[], nn.Module], download: bool) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return make().eval()
        except Exception as error:  # hub clients raise errors of their HTTP libraries
            if not download:
                raise
            raise InputError(
                Option("backbone", name),
                f": its weights cannot be downloaded ({type(error).__name__}: {error}); check the connection, or pass "
                "a local .safetensors or .pth file with ",
                Option("backbone_weights"),
            ) from error


def last_block(name: str, network: nn.Module) -> str:
    """Name of the last layer before the pooling and the classifier."""
    info: Any = getattr(network, "feature_info", None)  # timm
    if info:
        return str(info[-1]["module"])
    children = [child for child, _ in network.named_children()]
    for block in LAST_BLOCKS:
        if block in children:
            return block
    raise InputError(Option("backbone", name), ": set ", Option("layer"), f" to one of {', '.join(children)}")


def input_statistics(network: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the inputs that a network was trained on, per channel in 0..1."""
    config = getattr(network, "pretrained_cfg", None) or {}  # timm
    return config.get("mean", IMAGENET_MEAN), config.get("std", IMAGENET_STD)


def _stages(name: str, network: nn.Module, layers: Sequence[str], option: tuple[str | Option, ...]) -> dict[str, int]:
    """Numbers of the layers among the stages of a timm network, by timm's own extraction of features."""
    if not hasattr(network, "forward_intermediates"):
        raise InputError(
            Option("backbone", name), ": timm extracts no features from it; choose another, as tf_efficientnet_lite0 is"
        )
    info: Any = network.feature_info
    names = [str(stage["module"]) for stage in info]
    for layer in layers:
        if layer not in names:
            raise InputError(*option, f" {layer}: not a stage of {name}; it has {', '.join(names)}")
    return {layer: names.index(layer) for layer in layers}


def _up_to(name: str, network: nn.Module, layers: Sequence[str], option: tuple[str | Option, ...]) -> nn.Module:
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    try:
        return create_feature_extractor(network, {layer: layer for layer in layers}, suppress_diff_warning=True)  # type: ignore[no-any-return]
    except ValueError as error:
        nodes = get_graph_node_names(network, suppress_diff_warning=True)[1]
        absent = next(layer for layer in layers if not any(f"{node}.".startswith(f"{layer}.") for node in nodes))
        near = get_close_matches(absent, nodes, 5) or [child for child, _ in network.named_children()]
        raise InputError(*option, f" {absent}: not in {name}; it has {', '.join(near)}, among others") from error
    except TraceError as error:
        raise InputError(
            Option("backbone", name), ": no features can be taken from it; choose another, as tf_efficientnet_lite0 is"
        ) from error


def load_weights(name: str, network: nn.Module, path: Path) -> None:
    """Load those parameters from a file that a (cut) network needs."""
    found, needed = read_weights(path), network.state_dict()
    missing = [key for key in needed if key not in found and not key.endswith("num_batches_tracked")]
    if missing:
        raise InputError(_explain_missing(name, path, needed, missing))
    try:
        network.load_state_dict({key: found[key] for key in needed if key in found}, strict=False)
    except RuntimeError as error:
        raise InputError(f"{path}: not the weights of {name} ({error})") from error


def _explain_missing(name: str, path: Path, needed: Iterable[str], missing: list[str]) -> str:
    def layers(keys: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(key.split(".")[0] for key in keys))

    lacking = layers(missing)
    present = layers(needed)[: layers(needed).index(lacking[0])]
    advice = f"take features before it, up to {present[-1]}" if present else "pass another file"
    return f"{path}: lacks {', '.join(lacking)} of {name} ({len(missing)} tensors); {advice}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dictionary from .safetensors or .pth; nothing in the file is executed."""
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # its text advises to run the code in the file
        raise InputError(f"{path}: not a weights file of tensors alone (.safetensors or .pth)") from error
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a weights file (.safetensors or .pth): {error}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: expected a dictionary of parameters by name")
    return state
