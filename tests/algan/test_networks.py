"""Shapes, depths and the spectral norm of section 5.1.1."""

import pytest
import torch
from torch import nn

from algan_ad.algan.networks import (
    ImageDiscriminator,
    ImageGenerator,
    VectorDiscriminator,
    VectorGenerator,
    effective_weights,
    layer_widths,
)


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512])
def test_any_power_of_two(size: int) -> None:
    G, D = ImageGenerator(size, 10, 2, 8), ImageDiscriminator(size, 2, 8)
    x = G(torch.randn(2, 10))
    assert x.shape == (2, 3, size, size)
    assert x.abs().max() <= 1
    assert D(x).shape == (2,)


@pytest.mark.parametrize("size", [16, 48, 100, 1024])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="power of two from 32 to 512"):
        layer_widths(size, 8, 8)


def test_seven_layers_at_256() -> None:
    D, G = ImageDiscriminator(256, 2, 8), ImageGenerator(256, 10, 2, 8)
    assert sum(isinstance(m, nn.Conv2d) for m in D.modules()) == 7
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in G.modules()) == 7
    assert sum(isinstance(m, nn.BatchNorm2d) for m in G.modules()) == 6
    assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())


def test_the_first_step_of_d_adds_max_and_mean_over_channels() -> None:
    D = ImageDiscriminator(32, 2, 8)
    seen = []
    D.layers.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    x = torch.tensor([0.1, -0.5, 0.7])[None, :, None, None].expand(1, 3, 32, 32)
    D(x)
    assert seen[0][0, :, 5, 5].tolist() == pytest.approx([0.1, -0.5, 0.7, 0.7, 0.1])


@pytest.mark.parametrize("network", [ImageDiscriminator(32, 4, 8), VectorDiscriminator(6, 16)])
def test_spectral_norm_on_every_layer_the_last_included(network: nn.Module) -> None:
    for _ in range(50):  # the power iteration converges over forward passes
        network(torch.randn(4, 3, 32, 32) if isinstance(network, ImageDiscriminator) else torch.randn(4, 6))
    network.eval()
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.05)


def test_the_twin_with_effective_weights_scores_the_same() -> None:
    torch.manual_seed(0)
    D, twin = ImageDiscriminator(32, 4, 8), ImageDiscriminator(32, 4, 8, normalised=False)
    x = torch.rand(5, 3, 32, 32) * 2 - 1
    D(x)
    before = {k: v.clone() for k, v in D.state_dict().items()}
    twin.load_state_dict(effective_weights(D))
    assert D.training
    assert all(torch.equal(v, before[k]) for k, v in D.state_dict().items()), "looking must change nothing"
    torch.testing.assert_close(twin.eval()(x), D.eval()(x))


def test_vector_networks_have_three_layers_each() -> None:
    G, D = VectorGenerator(7, 100, 512), VectorDiscriminator(7, 512)
    assert [tuple(m.weight.shape) for m in G.modules() if isinstance(m, nn.Linear)] == [
        (512, 100),
        (512, 512),
        (7, 512),
    ]
    assert [tuple(m.weight.shape) for m in D.modules() if isinstance(m, nn.Linear)] == [
        (512, 7),
        (512, 512),
        (1, 512),
    ]
    assert D(G(torch.randn(4, 100))).shape == (4,)


def test_a_joined_vector_brings_its_mean_magnitude() -> None:
    D = VectorDiscriminator(4, 8, joined=True)
    seen: list[torch.Tensor] = []
    D.layers[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    D(torch.tensor([[3.0, -1.0, 0.0, 0.0]]))
    # mean magnitude 1; sqrt(pi / 2) is the deviation of a Gaussian with it, sqrt(4) of those its norm, twice that
    assert seen[0].flatten().tolist() == pytest.approx([3, -1, 0, 0, 2 * 2 * 1.2533141])


def test_the_magnitude_of_a_gaussian_vector_is_twice_its_norm() -> None:
    x = torch.randn(1, 20000, generator=torch.Generator().manual_seed(0))
    D = VectorDiscriminator(20000, 1, joined=True)
    assert (D.magnitude * x.abs().mean()).item() == pytest.approx(2 * x.norm().item(), rel=0.02)
