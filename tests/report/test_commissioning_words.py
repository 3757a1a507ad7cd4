from typing import Any

import pytest

from algan_ad.evaluation.commissioning import (
    Commissioning,
    Count,
    FalseAlarms,
    Misses,
    Rate,
    Smallest,
)
from algan_ad.report.commissioning import advice, chart, expectation, false_alarms, range_of, size

MISSES: dict[str, Any] = {
    "n": 40, "lost": 0.2, "hidden": 0.5, "faint": 0.3, "outside": None, "background": 0.1, "scale": 3,
    "calibration_n": 50, "calibration_needed": 99,
}  # fmt: skip


def result(sizes: tuple[float | None, ...], misses: dict[str, Any] | None = None, **changes: Any) -> Commissioning:
    """The smallest sizes of contrasts 10, 25 and 60."""
    contrasts = (10, 25, 60)
    given = {
        "method": "m", "dataset": "d", "protocol": "normal-only", "seed": 0, "threshold": 1, "images": 5,
        "held_out": "test", "sizes": (4, 16), "contrasts": contrasts, "kinds": (), "nearest": (), "trials": (),
        "rates": [Rate(kind=None, contrast=c, size=s, n=8, found=4) for c in contrasts for s in (4, 16)],
        "smallest": [
            Smallest(kind=None, contrast=c, size=s, interval=(s, None)) for c, s in zip(contrasts, sizes, strict=True)
        ],
        "false_alarms": FalseAlarms(
            rate=0.05, interval=(0, 0.2), per_1000=Count(parts=1000, expected=50, interval=(1, 1100)),
            per_shift=None, approximate=False,
        ),
        "misses": Misses(**MISSES | (misses or {})), **changes,
    }  # fmt: skip
    return Commissioning(**given)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_strongest_contrast_is_said_first_and_what_fails_last() -> None:
    assert plain(expectation(result((None, 12.4, 4), mm_per_pixel=0.1))) == (
        "Of made-up defects, 9 in 10 are found from at most 4 px (0.4 mm) on at strong contrast (60 of 255 grey "
        "levels), from 12 px (1.2 mm) on at medium contrast (25 of 255 grey levels); at faint contrast (10) not even "
        "the largest that were tried, 16 px (1.6 mm)."
    )
    assert plain(expectation(result((5, 5, 5)))).endswith("from 5 px on at faint contrast (10 of 255 grey levels).")
    assert "found at no contrast, not even the largest" in expectation(result((None, None, None)))


def test_sizes_beyond_what_was_tried_are_said_so() -> None:
    c = result((None, 12.4, 4))
    assert [plain(size(c, c.of(None, contrast))) for contrast in c.contrasts] == ["over 16 px", "12 px", "at most 4 px"]
    assert plain(range_of(c, c.of(None, 25))) == "12 px to over 16 px"
    assert plain(range_of(c, c.of(None, 10))) == "over 16 px"


def test_false_alarms_are_counted_in_parts() -> None:
    c = result((None, None, None))
    assert false_alarms(c) == "Of 1,000 good parts, expect 50 (1 to 1,100) to be flagged by mistake."
    shift = c.false_alarms.model_copy(update={"per_shift": Count(parts=2000, expected=100, interval=(2, 300))})
    assert false_alarms(c.model_copy(update={"false_alarms": shift})).endswith(
        "by mistake; of the 2,000 of a shift, 100 (2 to 300)."
    )


@pytest.mark.parametrize(
    ("misses", "titles"),
    [
        ({}, ["More good images", "Light and camera", "A higher resolution"]),
        ({"lost": 1, "hidden": 0, "faint": 0}, ["A higher resolution", "More good images"]),  # 99 are needed
        ({"lost": 1, "hidden": 0, "faint": 0, "calibration_needed": 9}, ["A higher resolution"]),
        ({"n": 0, "lost": 0, "hidden": 0, "faint": 0, "background": 0.4}, ["A region of interest"]),
        ({"n": 0, "lost": 0, "hidden": 0, "faint": 0, "outside": 0.0}, []),
    ],
)
def test_what_concerns_most_misses_is_advised_first(misses: dict[str, Any], titles: list[str]) -> None:
    assert [each.title for each in advice(result((None, None, None), misses))] == titles


def test_the_chart_has_a_line_for_each_contrast() -> None:
    plot = chart(result((None, None, None)))
    assert [text for text, *_ in plot.legend] == [
        "strong, 60 grey levels", "medium, 25 grey levels", "faint, 10 grey levels",
    ]  # fmt: skip
    assert all(f"var(--{role})" in plot.svg for role in ("anomalous", "normal", "muted"))
