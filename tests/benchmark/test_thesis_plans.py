"""The plans that ship for the thesis: all there, sound in both forms, with the thesis's own figures."""

import re
from typing import Any

import pytest

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.pages import DRAWN, PAGES
from algan_ad.benchmark.plan_check import problems
from algan_ad.benchmark.plan_files import read_plan
from algan_ad.benchmark.shipped import shipped
from algan_ad.benchmark.sources import Sources

THESIS = [f"thesis/table-5.{i}" for i in range(1, 15)] + [
    f"thesis/figure-{name}" for name in ("4.4", "4.5", "5.4", "5.5", "5.6", "5.7", "5.8")
]
NO_WEIGHTS = "no such file here"  # where the folder weights/ is absent


def mean_of(published: dict[str, str], label: str) -> tuple[float, float]:
    """Over the rows, and as the thesis prints it."""
    own = {
        key.rsplit("|", 1)[1]: float(text.split(" ± ")[0])
        for key, text in published.items()
        if key.startswith(f"{label}|")
    }
    printed = own.pop("mean")
    return sum(own.values()) / len(own), printed


def test_every_table_and_figure_has_its_plan() -> None:
    assert [name for name in THESIS if name not in shipped()] == []


@pytest.mark.parametrize("name", THESIS)
@pytest.mark.parametrize("scale", ["full", "small"])
def test_nothing_is_wrong_with_a_plan(name: str, scale: Any) -> None:
    plan = read_plan(name).at(scale)
    assert [each for each in problems(plan, Sources(None, look=False)) if NO_WEIGHTS not in each] == []
    assert plan.reference.startswith(("Table", "Figure"))
    assert plan.page is None or plan.page in PAGES
    assert plan.kind == "table" or plan.kind in DRAWN
    assert Outcomes(plan, {}).runs()


@pytest.mark.parametrize("name", THESIS)
def test_small_forms_need_no_data_set_and_say_so(name: str) -> None:
    full, small = read_plan(name), read_plan(name).at("small")
    assert {data.name for data in small.data} <= {"demo", "none"}
    assert len(Outcomes(small, {}).runs()) <= 36
    if {data.name for data in full.data} != {"none"} and small.kind != "timing":
        assert "small_note" in small.options


@pytest.mark.parametrize("name", ["thesis/table-5.2", "thesis/table-5.14"])
def test_copied_categories_have_the_mean_that_the_thesis_prints(name: str) -> None:
    plan = read_plan(name)
    for method in plan.methods:
        own, printed = mean_of(plan.thesis, method.label)
        assert own == pytest.approx(printed, abs=0.0011), method.label


def test_published_figures_belong_to_methods_and_rows_of_the_plan() -> None:
    for name in THESIS:
        plan = read_plan(name)
        if plan.page is None:
            labels = {method.label for method in plan.methods}
            assert {key.rsplit("|", 1)[0] for key in plan.thesis} <= labels, name
            assert all(re.fullmatch(r"[01]\.\d{3}( ± 0\.\d{3})?", text) for text in plan.thesis.values()), name
