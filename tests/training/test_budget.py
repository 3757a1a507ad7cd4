"""Times as a user writes them, and a budget that cannot be kept."""

import time

import pytest

from algan_ad.runtime.errors import InputError
from algan_ad.training.budget import Budget, seconds_of, spell


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("3m", 180), (" 1h ", 3600), ("1.5h", 5400)])
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "m", "3 min", "-3m", "0s", "1h30m", "nan"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InputError, match="expected a time as 90s, 3m or 1h"):
        seconds_of(text)


@pytest.mark.parametrize(("seconds", "text"), [(7.4, "7 s"), (99, "99 s"), (120, "2 min"), (36000, "10.0 h")])
def test_times_are_spelled_in_their_own_unit(seconds: float, text: str) -> None:
    assert spell(seconds) == text


def test_a_budget_that_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    budget = Budget("3m", 220.0)
    budget.refuse_less_than(120.0, "reading")
    with pytest.raises(InputError, match=r"within='3m': cannot be kept here: reading takes about 2 min, 2 min of it"):
        budget.refuse_less_than(121.0, "reading")
