"""Algorithm 1 and the measured traps."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
import torch

from algan_ad.algan import ALGAN, Hyperparameters, Latents
from algan_ad.algan.networks import ImageDiscriminator, ImageGenerator, VectorDiscriminator, VectorGenerator

B = 16


def make(sigma: float = 4.0, **hyper: Any) -> ALGAN:
    torch.manual_seed(0)
    return ALGAN(
        VectorGenerator(2, 8, 16),
        VectorDiscriminator(2, 16),
        Latents(8, sigma),
        Hyperparameters(**hyper),
        B,
        3,
    )


def run(algan: ALGAN, epochs: int) -> None:
    for epoch in range(1, epochs + 1):
        torch.manual_seed(epoch)
        algan.begin_epoch(epoch)
        for j in range(3):
            algan.step(torch.randn(B, 2), j)


def test_sigma_changes_what_g_makes() -> None:
    """Batch norm undoes a scale in a pass of its own, but not in the mixed pass, nor in eval mode."""
    G = ImageGenerator(32, 20, 4, 16)
    torch.manual_seed(0)
    z = torch.randn(16, 20)

    def anomalous_part(sigma: float) -> torch.Tensor:
        return G(torch.cat([z[:12], sigma * z[12:]]))[12:]

    assert (anomalous_part(4) - anomalous_part(1)).abs().mean() > 0.1 * anomalous_part(1).abs().mean()
    apart = G(4 * z) - G(z)
    assert apart.abs().max() < 1e-3, "the trap itself: separate passes in train mode erase sigma"
    G.eval()
    assert (G(4 * z) - G(z)).abs().mean() > 0.1 * G(z).abs().mean()


def test_statistics_of_eval_mode_are_those_of_normal_latents() -> None:
    """Anomalous latents, a quarter of a batch, have 16 times the variance: mixed, they make it 4.75 times as large."""
    algan = make(latent_scope="fresh", lr_g=1e-6)
    run(algan, 30)
    first, norm = algan.G.layers[:2]
    z = algan.latents.normal(20_000)
    torch.testing.assert_close(norm.running_var, first(z).var(0), rtol=0.35, atol=0)
    algan.G.eval()
    spread = norm(first(z)).std(0) / norm.weight.abs()
    torch.testing.assert_close(spread, torch.ones_like(spread), rtol=0.2, atol=0)


def test_epoch_one_has_latents_and_they_last_n_z_epochs() -> None:
    algan, seen = make(n_z=2), []
    for epoch in range(1, 6):
        torch.manual_seed(epoch)
        algan.begin_epoch(epoch)
        seen.append(algan.z_d.clone())
    same = [torch.equal(a, b) for a, b in pairwise(seen)]
    assert same == [True, False, True, False]


def test_latent_scopes() -> None:
    for scope, per_batch in (("batch", False), ("dataset", True)):
        algan = make(latent_scope=scope)
        algan.begin_epoch(1)
        a, b = algan._latents_of(0)[0], algan._latents_of(1)[0]
        assert torch.equal(a, b) != per_batch
        assert torch.equal(algan._latents_of(0)[0], a)
    fresh = make(latent_scope="fresh")
    fresh.begin_epoch(1)
    assert not torch.equal(fresh._latents_of(0)[0], fresh._latents_of(0)[0])


def test_no_buffered_data_in_the_first_epoch_but_the_buffer_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    import algan_ad.algan.algorithm as module

    calls = []
    original = module.discriminator_loss
    monkeypatch.setattr(
        module, "discriminator_loss", lambda *args: calls.append(args[3] is not None) or original(*args)
    )
    algan = make(n_dis=2)
    run(algan, 2)
    assert calls == [False] * 6 + [True] * 6
    assert algan.buffer is not None
    assert algan.buffer.size == 2 * B


@pytest.mark.parametrize(("scope", "capacity"), [("batch", 2 * B), ("dataset", 2 * B * 3)])
def test_buffer_scope(scope: Any, capacity: int) -> None:
    algan = make(buffer_scope=scope)
    run(algan, 1)
    assert algan.buffer is not None
    assert len(algan.buffer.samples) == capacity


def test_ablations_of_5_5() -> None:
    neither = make(buffered=False, anomalous_latents=False)
    run(neither, 3)
    assert neither.buffer is None
    assert not neither.tag.any()
    assert set(neither.pseudo_samples(4)) == {"fake-normal"}
    buffer_only = make(anomalous_latents=False)
    run(buffer_only, 3)
    assert buffer_only.buffer is not None
    assert not buffer_only.buffer.anomalous.any()


def test_one_step_updates_d_n_dis_times_and_g_once() -> None:
    algan = make(n_dis=3)
    algan.begin_epoch(1)
    algan.step(torch.randn(B, 2), 0)
    steps_d = {int(state["step"]) for state in algan.adam_d.state.values()}
    steps_g = {int(state["step"]) for state in algan.adam_g.state.values()}
    assert (steps_d, steps_g) == ({3}, {1})
    assert all(p.requires_grad for p in algan.D.parameters())


@pytest.mark.parametrize("scope", ["dataset", "fresh"])
def test_a_step_never_waits_for_the_device(scope: Any) -> None:
    """On `meta`, tensors have no content, so that anything that must know it on the CPU raises an error."""
    meta = torch.device("meta")
    algan = ALGAN(
        ImageGenerator(32, 8, 4, 8).to(meta), ImageDiscriminator(32, 4, 8).to(meta), Latents(8, device=meta),
        Hyperparameters(latent_scope=scope), B, 3,
    )  # fmt: skip
    for epoch in (1, 2, 3):
        algan.begin_epoch(epoch)
        logged = [algan.step(torch.zeros(n, 3, 32, 32, device=meta), j) for j, n in enumerate((B, B, 5))]
    assert all(value.device == meta for value in logged[-1].values())
    assert algan.buffer is not None
    assert algan.buffer.samples.device == meta
    assert 0 < algan.buffer.anomalous.sum() < 2 * B


def test_the_generators_step_leaves_d_alone() -> None:
    algan = make()
    algan.begin_epoch(1)
    before = [p.clone() for p in algan.D.parameters()]
    algan._update_generator(algan._latents_of(0)[1])
    assert all(torch.equal(a, b) for a, b in zip(before, algan.D.parameters(), strict=True))


def test_state_restores_to_the_same_bits() -> None:
    first = make()
    run(first, 3)
    second = make()
    second.load_state_dict(deepcopy(first.state_dict()))
    for algan in (first, second):
        torch.manual_seed(9)
        algan.begin_epoch(4)
        algan.step(torch.full((B, 2), 0.5), 0)
    for name in ("G", "D"):
        pairs = zip(
            getattr(first, name).state_dict().values(),
            getattr(second, name).state_dict().values(),
            strict=True,
        )
        assert all(torch.equal(a, b) for a, b in pairs)


def test_monitoring_takes_no_part_in_training() -> None:
    algan = make()
    run(algan, 2)
    before = {k: v.clone() for k, v in algan.G.state_dict().items()}
    samples = algan.pseudo_samples(5)
    assert {k: tuple(v.shape) for k, v in samples.items()} == {
        "fake-normal": (5, 2), "fake-anomalous": (5, 2), "buffered": (5, 2)
    }  # fmt: skip
    assert algan.G.training
    assert all(torch.equal(v, before[k]) for k, v in algan.G.state_dict().items())


def test_images_train_too() -> None:
    torch.manual_seed(0)
    algan = ALGAN(ImageGenerator(32, 8, 4, 8), ImageDiscriminator(32, 4, 8), Latents(8), Hyperparameters(), 4, 1)
    algan.begin_epoch(1)
    losses = algan.step(torch.rand(3, 3, 32, 32) * 2 - 1, 0)  # a last batch may be smaller
    assert all(torch.isfinite(v) for v in losses.values())
