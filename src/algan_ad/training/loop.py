"""THE adversarial loop: every GAN method's training runs through `train`."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from algan_ad.runtime.errors import InputError, Option, TrainingDiverged
from algan_ad.runtime.files import read_json, remove_leftovers, write_json
from algan_ad.runtime.progress import bar, log
from algan_ad.runtime.seeding import seed_from
from algan_ad.training.adversary import Adversary
from algan_ad.training.budget import Budget, spell
from algan_ad.training.checkpoint import load_checkpoint, save_checkpoint
from algan_ad.training.device import repeatable
from algan_ad.training.seeding import seed_torch
from algan_ad.training.selection import Selection, Selector, Weights
from algan_ad.training.trackers import MLFLOW_RUN, TrackerName, open_trackers

Fetch = Callable[[Tensor], Tensor]  # indices (B,) -> batch (B, ...), augmented, on the device
Validate = Callable[[Weights], float]  # the AUROC of weights on the samples that a selection judges by

CPU = torch.device("cpu")

#: Seconds of training worth a word, and steps of a run so long that the time of one more is worth measuring.
LONG, PROBED = 3600.0, 200

#: A discriminator whose logits spread less than this over a whole epoch no longer distinguishes anything.
COLLAPSED = 1e-6


@dataclass(frozen=True)
class Schedule:
    """Settings of the loop.

    Attributes:
        observe_every: epochs between two looks at the monitors and the validation set.
        patience: looks without a better epoch that end a training whose selection is `made-up`; 0 = never.
        generators: sources of the adversary and of `fetch`, if not torch's global state; the first, on the CPU, orders
            the data. They are seeded in its place, so that runs in several threads do not meet.
    """

    epochs: int
    batch_size: int
    seed: int
    selection: Selection = "average"
    observe_every: int = 8
    patience: int = 0
    dtype: torch.dtype = torch.float32
    device: torch.device = CPU
    generators: tuple[torch.Generator, ...] = ()
    budget: Budget | None = None
    after: Callable[[Weights], float] = lambda weights: 0.0

    def reseed(self, *names: object) -> None:
        """Seed the generators, or torch's global state, from the seed and `names`."""
        for i, generator in enumerate(self.generators):
            generator.manual_seed(seed_from(self.seed, *names, i))
        if not self.generators:
            seed_torch(self.seed, *names)


@dataclass(frozen=True)
class RunFolder:
    """Folder of an unfinished run: its checkpoint, its metrics, and the plan that it follows."""

    path: Path
    plan: dict[str, Any] = field(default_factory=dict)
    resume: bool = False
    checkpoint_seconds: float = 60.0
    trackers: tuple[TrackerName, ...] = ()

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.safetensors"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def plan_file(self) -> Path:
        return self.path / "plan.json"

    def tidy(self) -> None:
        """Remove the leftovers of a process that was killed while it wrote."""
        for path in (self.checkpoint, self.plan_file):
            remove_leftovers(path)

    def remove(self) -> None:
        """Remove the files of a run, and only those, once its model is saved."""
        self.tidy()
        for path in (self.checkpoint, self.metrics, self.plan_file, self.path / MLFLOW_RUN):
            path.unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):  # TensorBoard's files stay
            self.path.rmdir()


@dataclass(frozen=True)
class Trained:
    """The selected scoring weights, and their origin.

    Attributes:
        weights: scoring weights by name; empty for a method that is fitted once.
        selection: what selected them, in words.
        epoch: the epoch of the weights; 0 without epochs.
        loop_seconds: time of the loop, over all sessions of a resumed run.
        earlier_seconds: the part of it that sessions before this one took.
        epochs: the number of them that were carried out; 0 without epochs.
        settled: looks in vain, not the number of epochs or a budget, ended the search for weights.
        by_labels: labelled validation data, normals among them, chose the epoch (protocol thesis).
        others: the same for every other selection that looked on.
    """

    weights: Weights
    selection: str
    epoch: int
    loop_seconds: float = 0.0
    earlier_seconds: float = 0.0
    epochs: int = 0
    settled: bool = False
    by_labels: bool = False
    others: "tuple[Trained, ...]" = ()


def train(
    adversary: Adversary, n_samples: int, fetch: Fetch, schedule: Schedule, folder: RunFolder | None = None,
    validate: Validate | None = None, watch: Callable[[int, Weights], None] | None = None,
    others: Mapping[Selection, Validate | None] | None = None,
) -> Trained:  # fmt: skip
    """Train for `schedule.epochs` epochs and return the selected weights.

    There are fewer if the budget ends sooner, or if every selection has settled on its weights.

    With a folder: metrics are logged, checkpoints written at most `checkpoint_seconds` apart, and `resume`
    continues to bit-identical weights. `validate` gives the AUROC of weights on labelled data (protocol thesis) or
    on made-up anomalies (selections made-up and cut-paste).
    `watch(epoch, weights)` is called after every `observe_every` epochs and the last, for experiments.
    `others`: selections that look on, each with its validation; `Trained.others` holds the weights that each would
    have kept if it had been alone.

    Raises:
        InputError: a checkpoint of another plan; a budget that one epoch exceeds.
        TrainingDiverged: NaN, or a collapsed discriminator; the last good checkpoint is kept.
    """
    if n_samples < schedule.batch_size:
        raise InputError(
            f"{n_samples} training samples, fewer than the batch of {schedule.batch_size}: add normal examples or set ",
            Option("batch_size", max(2, n_samples)),
            " or less",
        )
    judges = {schedule.selection: validate, **(others or {})}
    selectors = {name: Selector(name, schedule.epochs, patience=schedule.patience) for name in judges}
    done, spent, epochs = _resume(folder, adversary, selectors, schedule)
    clock, horizon = _Clock(spent), _Horizon(schedule, epochs, spent)
    n_steps = -(-n_samples // schedule.batch_size)
    if not schedule.generators and n_steps * (epochs - done) >= PROBED:  # with generators, a run is short
        seconds = n_steps * _step_seconds(adversary, n_samples, fetch, schedule, done + 1)
        horizon.refuse(seconds)
        _announce(seconds * (epochs - done), schedule.budget)
    with repeatable(), ExitStack() as closing, bar("training", schedule.epochs, done) as advance:
        trackers = open_trackers(folder.path, folder.trackers, done, folder.plan) if folder else []
        for tracker in trackers:
            closing.callback(tracker.close)
        epoch = done
        while not horizon.reached(epoch, selectors.values()):
            epoch += 1
            row = _run_epoch(adversary, n_samples, fetch, schedule, epoch)
            _refuse_divergence(row, folder)
            weights, aurocs = adversary.scoring_weights(), {}
            horizon.look(epoch, weights, selectors.values())
            observed = epoch % schedule.observe_every == 0 or epoch == horizon.epochs
            if observed:
                schedule.reseed("observe", epoch)
                row |= adversary.observe()
                _refuse_divergence(row, folder)  # the last update of an epoch shows in no loss
                aurocs = {name: judge(weights) for name, judge in judges.items() if judge}
                row |= {f"{name}_auroc": auroc for name, auroc in aurocs.items()}
                if watch is not None:
                    watch(epoch, weights)
            for name, selector in selectors.items():
                selector.offer(epoch, weights, aurocs.get(name))
            row["seconds"] = round(clock.total(), 3)
            for tracker in trackers:
                tracker.log(row)
            advance("training  loss" + _losses(row))
            if folder and (horizon.reached(epoch, selectors.values()) or clock.due(folder.checkpoint_seconds)):
                _save(folder, adversary, selectors, epoch, horizon.epochs, clock.total())
    seconds = clock.total()
    first, *rest = (
        Trained(s.weights, s.describe(), s.epoch, seconds, spent, epoch, s.settled, s.rule == "validation")
        for s in selectors.values()
    )
    return replace(first, others=tuple(rest))


def _losses(row: dict[str, Any]) -> str:
    """The text "  D 1.386  G 0.693", from loss_d and loss_g."""
    return "".join(f"  {name[5:].upper()} {value:.3f}" for name, value in row.items() if name.startswith("loss_"))


def _step_seconds(adversary: Adversary, n_samples: int, fetch: Fetch, schedule: Schedule, epoch: int) -> float:
    """Time of one step, of a copy of the adversary. It changes nothing: an epoch begins with a seed of its own."""
    copy = deepcopy(adversary)
    schedule.reseed("probe")
    copy.begin_epoch(epoch)
    indices = torch.randperm(n_samples)[: schedule.batch_size]
    _step(copy, fetch(indices), 0, schedule)  # the first one prepares much
    start = time.monotonic()
    for value in _step(copy, fetch(indices), 1, schedule).values():
        value.item()  # waits for an accelerator
    return time.monotonic() - start


def _announce(seconds: float, budget: Budget | None) -> None:
    """Announce a run of hours before it starts. Nobody should find out by waiting."""
    if seconds > LONG and budget is None:
        log(
            f"by the time of one step this training takes about {spell(seconds)} here. Smaller ",
            Option("image_size"), ", ", Option("width"), " or ", Option("epochs"), " take less, a GPU far less; ",
            Option("within", "1h"), " ends it in time; ", Option("method", "algan-patch"),
            " takes minutes. Ctrl-C loses at most the time since the last checkpoint, ", Option("resume", True),
            " continues",
        )  # fmt: skip


def _run_epoch(adversary: Adversary, n_samples: int, fetch: Fetch, schedule: Schedule, epoch: int) -> dict[str, Any]:
    """Make one pass over the data. Returns the mean of each logged scalar."""
    schedule.reseed(epoch)
    adversary.begin_epoch(epoch)
    batches = torch.randperm(n_samples, generator=next(iter(schedule.generators), None)).split(schedule.batch_size)
    sums: dict[str, Tensor] = {}
    for j, indices in enumerate(batches):
        x = fetch(indices)
        for name, value in _step(adversary, x, j, schedule).items():
            sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value  # no sync per batch
    return {"epoch": epoch} | {name: (total / len(batches)).item() for name, total in sums.items()}


def _step(adversary: Adversary, x: Tensor, j: int, schedule: Schedule) -> dict[str, Tensor]:
    """Batch j, in the precision of the schedule."""
    # The cache is off, because it would serve weights from before an update to the passes after it.
    mixed = schedule.dtype == torch.bfloat16
    with torch.autocast(schedule.device.type, torch.bfloat16, enabled=mixed, cache_enabled=False):
        return adversary.step(x, j)


def _refuse_divergence(row: dict[str, Any], folder: RunFolder | None) -> None:
    bad = [name for name, value in row.items() if not math.isfinite(value)]
    if bad:
        raise _diverged(row["epoch"], f"{', '.join(bad)} not finite", folder)
    if row.get("logit_spread", 1.0) < COLLAPSED:
        raise _diverged(row["epoch"], "the discriminator gives one output for everything", folder)


def _diverged(epoch: int, reason: str, folder: RunFolder | None) -> TrainingDiverged:
    kept = f"; the last good checkpoint is {folder.checkpoint}" if folder and folder.checkpoint.exists() else ""
    return TrainingDiverged(
        f"training diverged in epoch {epoch}: {reason}{kept}. Try ",
        Option("precision", "float32"),
        ", lower learning rates, or another ",
        Option("seed"),
    )


def _resume(
    folder: RunFolder | None, adversary: Adversary, selectors: Mapping[Selection, Selector], schedule: Schedule
) -> tuple[int, float, int]:
    """Prepare a new run or take up the unfinished one.

    Returns the epochs done, the seconds spent so far, and the epochs that there will be.
    """
    if folder is None:
        return 0, 0.0, schedule.epochs
    folder.tidy()
    unfinished = folder.plan_file.exists() or folder.checkpoint.exists()
    if folder.resume and not unfinished:  # stopped while its data was still being read
        log(Option("resume"), f": {folder.path} holds no unfinished run, so training starts with epoch 1")
    if not folder.resume or not unfinished:
        folder.checkpoint.unlink(missing_ok=True)
        write_json(folder.plan_file, folder.plan)
        return 0, 0.0, schedule.epochs
    changed = _differences(read_json(folder.plan_file), folder.plan)
    if changed:
        raise InputError(
            Option("resume"), f": {folder.path} was started with other settings ({changed}); use the same ones"
        )
    if not folder.checkpoint.exists():
        return 0, 0.0, schedule.epochs  # killed before its first checkpoint
    state = load_checkpoint(folder.checkpoint)
    adversary.load_state_dict(state["adversary"])
    for name, selector in selectors.items():
        selector.load_state_dict(state["selectors"][name])
    epochs = int(state["epochs"])
    if schedule.budget is None:  # which alone makes fewer of them than there are in the schedule
        epochs = schedule.epochs
        for selector in selectors.values():
            selector.expect(epochs)
    return int(state["epoch"]), float(state["seconds"]), epochs


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    keys = sorted(before.keys() | now.keys())
    return ", ".join(f"{k}: {before.get(k)} then, {now.get(k)} now" for k in keys if before.get(k) != now.get(k))


def _save(
    folder: RunFolder, adversary: Adversary, selectors: Mapping[Selection, Selector], epoch: int, epochs: int,
    seconds: float,
) -> None:  # fmt: skip
    learned = adversary.state_dict()
    if not _all_finite(learned):  # the last update of an epoch shows in no loss; the last good checkpoint stays
        raise _diverged(epoch, "weights not finite", folder)
    state = {
        "adversary": learned,
        "selectors": {name: selector.state_dict() for name, selector in selectors.items()},
        "epoch": epoch,
        "epochs": epochs,
        "seconds": seconds,
    }
    save_checkpoint(folder.checkpoint, state)


def _all_finite(node: Any) -> bool:
    """True when no tensor of a nested state holds a NaN or an infinity."""
    if isinstance(node, Tensor):
        return not node.is_floating_point() or bool(node.isfinite().all())
    if isinstance(node, dict):
        return all(map(_all_finite, node.values()))
    return all(map(_all_finite, node)) if isinstance(node, list | tuple) else True


class _Horizon:
    """The end of a training: the epochs of the schedule, or as many as the budget leaves time for."""

    def __init__(self, schedule: Schedule, epochs: int, spent: float) -> None:
        """epochs: as far as is known. spent: seconds of the sessions before this one, which count."""
        self.schedule, self.epochs = schedule, epochs
        self.budget = schedule.budget and replace(schedule.budget, ends=schedule.budget.ends - spent)
        self.longest, self.before = 0.0, time.monotonic()
        self.after: float | None = None

    def refuse(self, seconds: float) -> None:
        """Raises InputError if the budget does not even hold one epoch, of so many seconds."""
        if self.budget is not None:
            self.budget.refuse_less_than(seconds, "one epoch")

    def reached(self, epoch: int, selectors: Collection[Selector]) -> bool:
        """True after the last epoch, and once no selection looks for better weights."""
        return epoch >= self.epochs or all(selector.settled for selector in selectors)

    def look(self, epoch: int, weights: Weights, selectors: Collection[Selector]) -> None:
        """After the updates of an epoch: how many will there be?"""
        if self.budget is None:
            return
        now = time.monotonic()
        self.longest, self.before = max(self.longest, now - self.before), now
        if self.after is None:
            self.after = self.schedule.after(weights)
        fitting = epoch + max(0, int((self.budget.left - self.after) / self.longest))
        if epoch < min(selector.first for selector in selectors):  # no mean has begun
            self.epochs = min(self.schedule.epochs, fitting)
            for selector in selectors:
                selector.expect(self.epochs, epoch)
        elif fitting == epoch:
            self.epochs = epoch


class _Clock:
    def __init__(self, spent: float) -> None:
        self.start = time.monotonic() - spent
        self.saved = time.monotonic()

    def total(self) -> float:
        return time.monotonic() - self.start

    def due(self, seconds: float) -> bool:
        if time.monotonic() - self.saved < seconds:
            return False
        self.saved = time.monotonic()
        return True
