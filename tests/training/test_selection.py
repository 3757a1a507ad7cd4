"""Averaging against means worked out by hand."""

import pytest
import torch

from algan_ad.training.selection import Selection, Selector


def offer(selector: Selector, values: list[float]) -> float:
    for epoch, value in enumerate(values, 1):
        selector.offer(epoch, {"w": torch.tensor([float(value)])}, None)
    return selector.weights["w"].item()


@pytest.mark.parametrize(("values", "mean"), [([9, 9, 1, 3], 2.0), ([9, 9, 9, 1, 2, 6], 3.0), ([5], 5.0)])
def test_average_is_over_the_second_half(values: list[float], mean: float) -> None:
    assert offer(Selector("average", len(values)), values) == pytest.approx(mean)


def test_the_mean_goes_on_after_a_resume_and_where_the_weights_are() -> None:
    selector, resumed = Selector("average", 4, window=1.0), Selector("average", 4, window=1.0)
    selector.offer(1, {"w": torch.tensor([1.0]), "n": torch.tensor(3)}, None)
    resumed.load_state_dict(selector.state_dict())
    resumed.offer(2, {"w": torch.empty(1, device="meta"), "n": torch.tensor(4)}, None)
    assert resumed.weights["w"].device.type == "meta"
    assert resumed.weights["n"].item() == 4  # a counter is not averaged


def test_last() -> None:
    assert offer(Selector("last", 3), [1, 2, 7]) == 7


def test_the_offered_weights_are_not_written_to() -> None:
    selector = Selector("average", 2, window=1.0)
    first = {"w": torch.tensor([1.0])}
    selector.offer(1, first, None)
    selector.offer(2, {"w": torch.tensor([3.0])}, None)
    assert first["w"].item() == 1.0
    assert selector.weights["w"].item() == 2.0


def test_validation_ignores_epochs_that_were_not_validated_and_keeps_the_first_of_equals() -> None:
    selector = Selector("validation", 4)
    for epoch, auroc in [(1, None), (2, 0.8), (3, None), (4, 0.8)]:
        selector.offer(epoch, {"w": torch.tensor([float(epoch)])}, auroc)
    assert selector.epoch == 2


def test_cut_paste_keeps_the_best_observed_epoch() -> None:
    selector = Selector("cut-paste", 4)
    for epoch, auroc in [(1, None), (2, 0.9), (3, None), (4, 0.7)]:
        selector.offer(epoch, {"w": torch.tensor([float(epoch)])}, auroc)
    assert selector.epoch == 2
    assert "without labels" in selector.describe()


@pytest.mark.parametrize("rule", ["cut-paste", "validation"])
def test_the_best_auroc_is_described_with_three_decimals(rule: Selection) -> None:
    selector = Selector(rule, 1)
    selector.offer(1, {"w": torch.tensor([0.0])}, 2 / 3)
    assert "the best AUROC (0.667)" in selector.describe()


def offered(aurocs: list[float]) -> Selector:
    selector = Selector("made-up", len(aurocs))
    for epoch, auroc in enumerate(aurocs, 1):
        selector.offer(epoch, {"w": torch.tensor([float(epoch)]), "n": torch.tensor(epoch)}, auroc)
    return selector


def test_made_up_averages_the_eight_best_epochs() -> None:
    selector = offered([0.5, 0.6, 0.9, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.55, 0.8])
    assert selector.weights["w"].item() == pytest.approx((3 + 4 + 5 + 6 + 7 + 8 + 9 + 11) / 8)
    assert (selector.epoch, selector.weights["n"].item()) == (3, 3)
    assert selector.describe().startswith(
        "mean of the weights of epochs 3, 4, 5, 6, 7, 8, 9, 11, of highest AUROC (up to 0.900)"
    )


def test_made_up_goes_on_after_a_resume() -> None:
    aurocs = [0.9, 0.5, 0.8, 0.7, 0.6, 0.9, 0.4, 0.3, 0.85, 0.95]
    whole, resumed = offered(aurocs), Selector("made-up", len(aurocs))
    resumed.load_state_dict(offered(aurocs[:6]).state_dict())
    assert torch.equal(resumed.weights["w"], offered(aurocs[:6]).weights["w"])
    for epoch, auroc in enumerate(aurocs[6:], 7):
        resumed.offer(epoch, {"w": torch.tensor([float(epoch)]), "n": torch.tensor(epoch)}, auroc)
    assert torch.equal(resumed.weights["w"], whole.weights["w"])
    assert resumed.describe() == whole.describe()


def test_made_up_settles_after_looks_in_vain_and_keeps_what_it_has() -> None:
    selector, forever = (Selector("made-up", 30, patience=patience) for patience in (3, 0))
    for epoch, auroc in enumerate([0.9] * 8 + [0.8, 0.8, 0.95, None, 0.8, 0.8, 0.8, 0.99], 1):
        assert selector.settled == (epoch > 15)  # an epoch without a look is not in vain
        selector.offer(epoch, {"w": torch.tensor([float(epoch)])}, auroc)
        forever.offer(epoch, {"w": torch.tensor([float(epoch)])}, auroc)
    assert selector.epoch == 11
    assert (forever.settled, forever.epoch) == (False, 16)


@pytest.mark.parametrize("rule", ["cut-paste", "validation", "average", "last"])
def test_the_other_rules_never_settle(rule: Selection) -> None:
    selector = Selector(rule, 9, patience=1)
    for epoch in range(1, 10):
        selector.offer(epoch, {"w": torch.tensor([0.0])}, 1 / epoch)
    assert not selector.settled
