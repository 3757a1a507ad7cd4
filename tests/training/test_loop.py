"""The loop: same seed same bits, resume to the same bits, divergence, selection, metrics."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from algan_ad.algan import ALGAN, Hyperparameters, Latents
from algan_ad.algan.networks import ImageDiscriminator, ImageGenerator
from algan_ad.detectors.shared.algan_adversary import AlganAdversary
from algan_ad.runtime.errors import InputError, TrainingDiverged
from algan_ad.training import loop
from algan_ad.training.budget import Budget
from algan_ad.training.checkpoint import load_checkpoint
from algan_ad.training.loop import RunFolder, Schedule, Trained, train
from algan_ad.training.selection import Selection, Weights
from algan_ad.training.trackers import read_rows

N, B = 12, 4
IMAGES = torch.rand(N, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def fetch(indices: Tensor) -> Tensor:
    return (IMAGES[indices] + 0.01 * torch.randn(len(indices), 3, 32, 32)).to(memory_format=torch.channels_last)


def adversary() -> AlganAdversary:
    torch.manual_seed(0)
    G = ImageGenerator(32, 8, 4, 8).to(memory_format=torch.channels_last)
    D = ImageDiscriminator(32, 4, 8).to(memory_format=torch.channels_last)
    algan = ALGAN(G, D, Latents(8), Hyperparameters(), B, N // B)
    return AlganAdversary(algan, held_out=IMAGES[:2], quality=None)


def go(folder: RunFolder | None = None, epochs: int = 6, **options: Any) -> Trained:
    schedule = Schedule(epochs, B, seed=3, observe_every=2, **options)
    return train(adversary(), N, fetch, schedule, folder)


class Killed(BaseException):
    """A stand-in for a kill: nothing in the loop may catch it."""


def stop_after(calls: int, function: Callable[..., Any]) -> Callable[..., Any]:
    count = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count > calls:
            raise Killed
        return function(*args, **kwargs)

    return wrapped


def same(a: Trained, b: Trained) -> bool:
    return all(torch.equal(a.weights[name], b.weights[name]) for name in a.weights)


def test_the_same_seed_gives_the_same_bits() -> None:
    assert same(go(), go())


def test_another_seed_gives_other_weights() -> None:
    other = train(adversary(), N, fetch, Schedule(6, B, seed=4, observe_every=2))
    assert not same(go(), other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batches", [2, 7, 16])
def test_resume_after_a_kill_is_bit_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int, dtype: torch.dtype
) -> None:
    """The kills come in epochs 1, 3 and 6: before the first checkpoint, inside the averaging window, near the end."""
    whole = go(dtype=dtype)
    folder = RunFolder(tmp_path / "run", {"lr": 1}, checkpoint_seconds=0)
    with monkeypatch.context() as patch:
        patch.setattr(ALGAN, "step", stop_after(batches, ALGAN.step))
        with pytest.raises(Killed):
            go(folder, dtype=dtype)
    resumed = go(RunFolder(tmp_path / "run", {"lr": 1}, resume=True, checkpoint_seconds=0), dtype=dtype)
    assert same(whole, resumed)
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_resume_before_anything_was_done_starts_with_epoch_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert same(go(), go(RunFolder(tmp_path / "run", {"lr": 1}, resume=True)))
    assert "holds no unfinished run, so training starts with epoch 1" in capsys.readouterr().err
    assert json.loads((tmp_path / "run/plan.json").read_text()) == {"lr": 1}


def test_half_written_files_of_a_killed_run_go_with_the_next(tmp_path: Path) -> None:
    half = [tmp_path / ".checkpoint-0a1b2c3d.safetensors", tmp_path / ".plan-0a1b2c3d.json"]
    folder = RunFolder(tmp_path, {}, checkpoint_seconds=0)
    go(folder, epochs=1)
    for path in half:
        path.write_bytes(b"half")
    go(RunFolder(tmp_path, {}, resume=True), epochs=2)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.safetensors", "metrics.jsonl", "plan.json"}
    for path in half:
        path.write_bytes(b"half")
    folder.remove()
    assert not tmp_path.exists()


def test_resume_refuses_another_plan_and_a_checkpoint_without_one(tmp_path: Path) -> None:
    go(RunFolder(tmp_path / "run", {"lr": 1}))
    with pytest.raises(InputError, match="lr: 1 then, 2 now"):
        go(RunFolder(tmp_path / "run", {"lr": 2}, resume=True))
    (tmp_path / "run/plan.json").unlink()
    with pytest.raises(InputError, match=r"plan.json: no such file"):
        go(RunFolder(tmp_path / "run", {"lr": 1}, resume=True))


def test_metrics_hold_the_monitors_of_5_8(tmp_path: Path) -> None:
    go(RunFolder(tmp_path, {}))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {"loss_d", "loss_g", "seconds"} <= rows[0].keys()
    assert "logit/held-out-normal" not in rows[0]
    assert {f"logit/{k}" for k in ("held-out-normal", "fake-normal", "fake-anomalous", "buffered")} <= rows[1].keys()


def test_observing_does_not_change_training() -> None:
    seldom = train(adversary(), N, fetch, Schedule(6, B, seed=3, observe_every=6))
    assert same(seldom, go())


def test_nan_ends_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, {}, checkpoint_seconds=0)
    go(folder, epochs=2)
    good = folder.checkpoint.read_bytes()

    def poisoned(indices: Tensor) -> Tensor:
        return fetch(indices) * float("nan")

    resumed = RunFolder(tmp_path, {}, resume=True, checkpoint_seconds=0)
    with pytest.raises(TrainingDiverged, match=r"epoch 3: .*loss_d.*checkpoint.safetensors"):
        train(adversary(), N, poisoned, Schedule(4, B, seed=3), resumed)
    assert folder.checkpoint.read_bytes() == good


class OneLayer:
    """The smallest adversary: a layer that a step changes by hand."""

    def __init__(self, change: Callable[[int], float]) -> None:
        torch.manual_seed(0)
        self.layer, self.change, self.epoch, self.differences = (
            torch.nn.Linear(4, 1, bias=False),
            change,
            0,
            list[float](),
        )

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        before = self.layer(torch.ones(1, 4))
        with torch.no_grad():
            self.layer.weight.add_(self.change(self.epoch))
        self.differences.append((self.layer(torch.ones(1, 4)) - before).item())
        return {"loss_d": before.detach().mean()}

    def state_dict(self) -> dict[str, Any]:
        return {"layer": self.layer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.layer.load_state_dict(state["layer"])

    def scoring_weights(self) -> dict[str, Tensor]:
        return {"w": self.layer.weight.detach().clone()}

    def observe(self) -> dict[str, float]:
        return {}


def test_weights_that_a_last_update_broke_are_not_kept(tmp_path: Path) -> None:
    """The losses of an epoch are taken before its last update."""
    breaking = OneLayer(lambda epoch: float("nan") if epoch == 3 else 0.1)
    folder = RunFolder(tmp_path, {}, checkpoint_seconds=0)
    with pytest.raises(TrainingDiverged, match=r"epoch 3: weights not finite; the last good checkpoint"):
        train(breaking, B, fetch, Schedule(4, B, seed=3, observe_every=4), folder)
    kept = load_checkpoint(folder.checkpoint)
    assert kept["epoch"] == 2
    assert kept["adversary"]["layer"]["weight"].isfinite().all()


def test_monitors_that_are_not_finite_end_the_run() -> None:
    broken = OneLayer(lambda epoch: 0.1)
    broken.observe = lambda: {"logit/fake-normal": float("nan")}  # type: ignore[method-assign]
    with pytest.raises(TrainingDiverged, match="logit/fake-normal not finite"):
        train(broken, B, fetch, Schedule(1, B, seed=3))


def test_bfloat16_uses_the_weights_as_they_are() -> None:
    """autocast's cache would serve a second pass within a step weights from before the update."""
    adversary = OneLayer(lambda epoch: 1.0)
    train(adversary, B, fetch, Schedule(1, B, seed=0, dtype=torch.bfloat16))
    assert adversary.differences == pytest.approx([4], abs=0.1)


class Constant(torch.nn.Module):
    """A discriminator that has stopped looking."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.bias + 0 * x.mean((1, 2, 3))


def test_a_collapsed_discriminator_is_noticed() -> None:
    algan = ALGAN(ImageGenerator(32, 8, 4, 8), Constant(), Latents(8), Hyperparameters(), B, N // B)
    with pytest.raises(TrainingDiverged, match="one output for everything"):
        train(AlganAdversary(algan, None, None), N, fetch, Schedule(2, B, seed=0))


def test_fewer_samples_than_a_batch() -> None:
    with pytest.raises(InputError, match=r"3 training samples, fewer than the batch of 4.*batch_size=3"):
        train(adversary(), 3, fetch, Schedule(1, B, seed=0))


def test_validation_keeps_the_best_epoch() -> None:
    aurocs = iter([0.5, 0.9, 0.7])
    schedule = Schedule(6, B, seed=3, selection="validation", observe_every=2)
    trained = train(adversary(), N, fetch, schedule, validate=lambda weights: next(aurocs))
    assert trained.epoch == 4
    assert "0.9" in trained.selection


def test_selections_that_look_on_keep_what_they_would_have_kept_alone(tmp_path: Path) -> None:
    """The same holds after a kill in the middle of the run."""

    def judge(weights: Weights) -> float:
        return float(next(iter(weights.values())).double().sum())

    def run(selection: Selection, folder: RunFolder | None = None, **options: Any) -> Trained:
        schedule = Schedule(6, B, seed=3, selection=selection, observe_every=2)
        return train(adversary(), N, fetch, schedule, folder, **options)

    alone = [run("validation", validate=judge), run("average"), run("cut-paste", validate=lambda w: -judge(w))]
    others: dict[Selection, Any] = {"average": None, "cut-paste": lambda w: -judge(w)}
    folder = RunFolder(tmp_path, checkpoint_seconds=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ALGAN, "step", stop_after(4 * N // B, ALGAN.step))
        with pytest.raises(Killed):
            run("validation", folder, validate=judge, others=others)
    together = run("validation", replace(folder, resume=True), validate=judge, others=others)
    for one, expected in zip((together, *together.others), alone, strict=True):
        assert same(one, expected)
        assert (one.selection, one.epoch) == (expected.selection, expected.epoch)


def test_a_training_ends_when_nothing_moves(tmp_path: Path) -> None:
    """Also after a kill; a selection that looks on for longer changes nothing of what is kept."""

    def run(folder: RunFolder | None = None, **options: Any) -> Trained:
        schedule = Schedule(20, B, seed=3, selection="made-up", observe_every=1, patience=3)
        return train(adversary(), N, fetch, schedule, folder, validate=lambda weights: 0.5, **options)

    whole, watched = run(), run(others={"last": None})
    assert (whole.epochs, watched.epochs) == (8 + 3, 20)
    assert same(whole, watched)
    folder = RunFolder(tmp_path, checkpoint_seconds=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ALGAN, "step", stop_after(10 * N // B, ALGAN.step))
        with pytest.raises(Killed):
            run(folder)
    resumed, again = run(replace(folder, resume=True)), run(replace(folder, resume=True))
    assert same(whole, resumed)
    assert same(whole, again)
    assert (resumed.epochs, again.epochs) == (11, 11)
    assert [row["epoch"] for row in read_rows(folder.metrics)] == list(range(1, 12))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_time_of_a_step_is_that_of_a_copy(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves no trace in the weights, and it is taken before the first epoch."""
    plain = go(dtype=dtype)
    monkeypatch.setattr(loop, "PROBED", 1)
    taken: list[float] = []
    step_seconds = loop._step_seconds
    monkeypatch.setattr(loop, "_step_seconds", lambda *given: taken.append(step_seconds(*given)) or taken[-1])
    assert same(plain, go(dtype=dtype))
    assert taken
    assert taken[0] > 0


def test_hours_are_announced_before_the_first_epoch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop, "PROBED", 1)
    monkeypatch.setattr(loop, "_step_seconds", lambda *_: 600.0)
    monkeypatch.setattr(loop, "_run_epoch", stop_after(0, loop._run_epoch))
    with pytest.raises(Killed):
        go()
    assert "takes about 3.0 h here" in capsys.readouterr().err  # 6 epochs of 3 steps
    with pytest.raises(InputError, match=r"within='20m': cannot be kept here: one epoch takes about 30 min, 20 min"):
        go(budget=Budget("20m", time.monotonic() + 1200))


class Clock:
    """A clock for the loop that goes on by a second for each step, and stands still otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, step = 0.0, ALGAN.step

        def timed(*given: Any) -> Any:
            self.now += 1
            return step(*given)

        monkeypatch.setattr(ALGAN, "step", timed)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.mark.parametrize(("seconds", "epochs"), [(100, 6), (18, 6), (17.5, 5), (11, 3), (5, 1), (3, 1)])
def test_a_budget_ends_with_the_epoch_that_keeps_it(
    seconds: float, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three seconds each. The weights are those of a run that was told so from the start."""
    expected = go(epochs=epochs)
    clock = Clock(monkeypatch)
    found = go(budget=Budget("", seconds))
    assert (found.epochs, clock.now) == (epochs, 3 * epochs)
    assert found.selection == expected.selection
    assert same(found, expected)


def test_a_budget_leaves_time_for_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    assert go(budget=Budget("", 18), after=lambda weights: 4.0).epochs == 4


def test_a_machine_that_slows_down_ends_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six epochs were expected; the mean has begun with the fourth."""
    clock, begin_epoch = Clock(monkeypatch), ALGAN.begin_epoch

    def slow(self: ALGAN, epoch: int) -> None:
        clock.now += 6 * (epoch >= 4)
        begin_epoch(self, epoch)

    monkeypatch.setattr(ALGAN, "begin_epoch", slow)
    found = go(budget=Budget("", 20))
    assert found.epochs == 4
    assert found.selection == "mean of the weights of epochs 4 to 4, chosen without labels"


def test_a_budget_counts_every_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four epochs in twelve seconds: killed in the third, the run goes on with the time that is left."""
    clock = Clock(monkeypatch)
    whole = go(budget=Budget("12s", clock.now + 12))
    with monkeypatch.context() as patch:
        patch.setattr(ALGAN, "step", stop_after(7, ALGAN.step))
        with pytest.raises(Killed):
            go(RunFolder(tmp_path / "run", {}, checkpoint_seconds=0), budget=Budget("12s", clock.now + 12))
    later = Budget("12s", clock.now + 12)
    resumed = go(RunFolder(tmp_path / "run", {}, resume=True, checkpoint_seconds=0), budget=later)
    assert resumed.epochs == whole.epochs == 4
    assert same(whole, resumed)
