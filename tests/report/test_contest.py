import re
from pathlib import Path

import numpy as np

from algan_ad.evaluation.comparison import ranking
from algan_ad.report import contest
from algan_ad.report.benchmark import Page, Picture, Section, write_page
from algan_ad.report.tables import Cell, Table


def texts(svg: str) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


def test_critical_differences_name_every_method_with_its_rank() -> None:
    scores = np.tile([0.9, 0.8, 0.7, 0.6], (6, 1))
    scores[0] = scores[0, ::-1]  # ranks 1.5, 2.167, 2.833, 3.5
    plot = contest.critical_differences(["A", "B", "C", "D"], ranking(scores), "categories")
    shown = texts(plot.svg)
    assert all(name in shown for name in ("A  1.50", "B  2.17", "2.83  C", "3.50  D"))
    assert "critical difference 1.91" in shown  # 2.569 sqrt(20 / 36)
    assert "6 categories" in plot.caption


def test_scatter_names_its_points_and_reads_times_as_plain_numbers() -> None:
    points = [contest.Point("ALGAN", 10.6, 0.878, own=True), contest.Point("GANomaly", 109.8, 0.765)]
    plot = contest.accuracy_against_time(points, "caption")
    shown = texts(plot.svg)
    assert "ALGAN" in shown
    assert "GANomaly" in shown
    assert " 10 " in f" {shown} "
    assert " 100 " in f" {shown} "


def test_more_curves_than_colours_are_told_apart_by_dashes() -> None:
    names = [f"m{i}" for i in range(len(contest.SERIES) + 1)]
    plot = contest.curves("t", {name: ([0, 1], [0, i]) for i, name in enumerate(names)}, "x", "y", "")
    marks = [(role, mark) for _, role, mark in plot.legend]
    assert len(set(marks)) == len(names)


def test_histograms_count_what_they_show_and_a_field_is_shaded() -> None:
    plot = contest.histograms("h", [("normal", "normal", np.zeros(3)), ("odd", "anomalous", np.ones(5))], "score", "")
    assert [name for name, *_ in plot.legend] == ["normal (3)", "odd (5)"]
    field = np.add.outer(np.arange(5.0), np.arange(5.0))
    drawn = contest.plane("p", [("real", "real-normal", np.zeros((2, 2)))], 2.0, field, [1.0, 99.0], "")
    assert "var(--anomalous)" in drawn.svg
    assert "var(--real-normal)" in drawn.svg
    flat = contest.plane("q", [("real", "real-normal", np.zeros((2, 2)))], 2.0, None, (), "")
    assert "var(--anomalous)" not in flat.svg


def test_page_is_self_contained_and_shows_text_as_text(tmp_path: Path) -> None:
    table = Table("T <b>", "caption & more", "", ("a",), (("row", (Cell("1.0", "0.9", mark="†"),)),))
    section = Section("S", "thesis", "words", (table,), (), (Picture("P", b"\x89PNG"),), (table,))
    path = write_page(
        tmp_path / "new" / "report.html",
        Page("<i>title", "Thesis: Table 1", [("plan", "x")], ["w"], [], [section], "f"),
    )
    text = path.read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert "<i>title" not in text
    assert "T &lt;b&gt;" in text
    assert 'badge-thesis">protocol thesis' in text
    assert "thesis 0.9" in text
    assert 'src="data:image/png;base64,iVBORw=="' in text
