import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.axes import Axes

import algan_ad.report
from algan_ad.evaluation.results import Evaluation
from algan_ad.report import curves, plots
from algan_ad.report.svg import color, draw

CSS = (Path(algan_ad.report.__file__).parent / "templates" / "report.css").read_text()


def lines(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=color("normal"), marker="o")
    axes.fill_between([0, 1], [0, 0.5], color=color("anomalous"), alpha=0.5)
    axes.set_xlabel("<x> & y")


def test_svg_takes_colours_and_typeface_from_the_page() -> None:
    svg = draw(lines, "two lines")
    assert "var(--normal)" in svg
    assert "var(--anomalous)" in svg
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) == set()  # no colour that would not follow dark mode
    assert "font-family" not in svg
    assert "<style" not in svg  # would apply to the whole page
    assert "&lt;x&gt; &amp; y" in svg


def test_svg_is_well_formed_described_and_its_references_resolve() -> None:
    svg = draw(lines, 'a "described" plot <b>')
    root = ElementTree.fromstring(f'<p xmlns:xlink="http://www.w3.org/1999/xlink">{svg}</p>')[0]
    assert root.attrib["aria-label"] == 'a "described" plot <b>'
    assert "width" not in root.attrib
    ids = re.findall(r' id="([^"]+)"', svg)
    assert len(ids) == len(set(ids)) > 0
    assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', svg)) == set(ids)


@pytest.mark.parametrize("width", [3.85, 4.6])
def test_text_in_a_plot_can_be_read_however_wide_the_page(width: float) -> None:
    svg = draw(lines, "a", width=width)
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
    units = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    least, most = (float(re.search(rf"{edge}-width: (\d+)px", svg)[1]) for edge in ("min", "max"))
    assert min(sizes) * least / units >= 11.9
    assert max(sizes) * most / units <= 16.1


def test_same_drawing_same_svg_but_other_references_for_another_plot() -> None:
    assert draw(lines, "a") == draw(lines, "a")
    ids = [set(re.findall(r' id="([^"]+)"', draw(lines, name))) for name in ("a", "b")]
    assert not ids[0] & ids[1]


def test_every_colour_of_the_plots_is_defined_light_and_dark() -> None:
    light, dark = CSS.split("prefers-color-scheme: dark")
    for role in re.findall(r"var\(--([\w-]+)\)", draw(lines, "a")) + list(plots.Role.__args__):
        assert f"--{role}:" in light
        assert f"--{role}:" in dark


def test_histogram_counts_what_it_shows_and_marks_the_threshold(evaluate: Callable[..., Evaluation]) -> None:
    plot = plots.histogram(evaluate(), [1.0, 2.0, 3.0])
    assert plot is not None
    assert [text for text, *_ in plot.legend] == [
        "20 normal, tested",
        "10 anomalous, tested",
        "3 held-out normal, which set the threshold",
    ]
    assert "threshold 17" in plot.svg


def test_histogram_of_held_out_scores_alone_or_of_nothing(evaluate: Callable[..., Evaluation]) -> None:
    empty = evaluate(labels=[], scores=[], defects=[], paths=[])
    only = plots.histogram(empty, [1.0, 2.0])
    assert only is not None
    assert len(only.legend) == 1
    assert plots.histogram(evaluate(labels=[], scores=[], defects=[], paths=[], calibration=None), []) is None


@pytest.mark.parametrize("scores", [[5.0] * 30, [1e6 + i / 1e3 for i in range(30)], [-700.0 * i for i in range(30)]])
def test_histogram_takes_any_scores(evaluate: Callable[..., Evaluation], scores: list[float]) -> None:
    assert plots.histogram(evaluate(scores=scores, calibration=None), []) is not None


def test_curves_need_both_classes(evaluate: Callable[..., Evaluation]) -> None:
    normal_only = evaluate(labels=[0, 0], scores=[1.0, 2.0], defects=["good"] * 2, paths=["a", "b"])
    assert plots.roc(normal_only) is plots.precision_recall(normal_only) is None
    for plot in (plots.roc(evaluate()), plots.precision_recall(evaluate())):
        assert plot is not None
        assert ("at the model's threshold", "ink", "point") in plot.legend
    uncalibrated = plots.roc(evaluate(calibration=None))
    assert uncalibrated is not None
    assert [text for text, *_ in uncalibrated.legend] == ["detector", "chance"]


def test_precision_has_no_operating_point_when_nothing_is_flagged(
    evaluate: Callable[..., Evaluation],
) -> None:
    plot = plots.precision_recall(evaluate(scores=[float(i) / 10 for i in range(30)]))
    assert plot is not None
    assert [text for text, *_ in plot.legend] == ["detector", "chance"]


def test_training_curves_are_those_with_values() -> None:
    nan = float("nan")
    rows = [
        {"epoch": 7, "loss_d": 1.0, "loss_g": nan, "seconds": 2.0, "new_key": 3.0},
        {"epoch": 8, "loss_d": 0.9, "loss_g": nan, "logit/buffered": -1.0, "frechet_distance": None},
    ]
    drawn = curves.training(rows)
    assert [plot.title for plot in drawn] == ["Discriminator's mean output", "Losses"]
    assert [text for text, *_ in drawn[0].legend] == ["buffered"]
    assert [text for text, *_ in drawn[1].legend] == ["discriminator"]
    assert curves.training([]) == []


def test_all_training_curves() -> None:
    keys = ["loss_d", "loss_g", "frechet_distance", "inception_score", "validation_auroc"]
    kinds = ["real-normal", "held-out-normal", "fake-normal", "fake-anomalous", "buffered"]
    rows = [{"epoch": e, **dict.fromkeys(keys + [f"logit/{kind}" for kind in kinds], e / 9)} for e in range(300)]
    drawn = curves.training(rows)
    assert len(drawn) == 5
    assert [role for _, role, _ in drawn[0].legend] == kinds
