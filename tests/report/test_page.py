import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from algan_ad.evaluation.results import Evaluation
from algan_ad.report.gallery import SHOWN, Gallery, groups, pictured
from algan_ad.report.page import write_report
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Skipped
from algan_ad.runtime.model_folder import ModelConfig

PNG = b"\x89PNG picture"
METRICS = [{"epoch": 1, "loss_d": 1.0, "loss_g": 2.0}, {"epoch": 2, "loss_d": 0.9, "loss_g": 2.1}]
VOID = {"meta", "img", "br"}

Make = Callable[..., Evaluation]
Configure = Callable[..., ModelConfig]
Write = Callable[..., tuple[str, "Outline"]]


class Outline(HTMLParser):
    """A parser that fails on tags not closed in order, and collects attributes and the visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f"{data} "


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory, evaluate: Make, configure: Configure) -> Write:
    path = tmp_path_factory.mktemp("report") / "report.html"
    default: list[tuple[str, Outline]] = []

    def make(
        evaluation: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        metrics: list[dict[str, Any]] = METRICS,
        gallery: Gallery | None = None,
    ) -> tuple[str, Outline]:
        if default and (evaluation, config, metrics, gallery) == (None, None, METRICS, None):
            return default[0]
        result = evaluate(**(evaluation or {}))
        assert path == write_report(path, result, configure(**(config or {})), metrics, gallery or full(result))
        page = path.read_text(encoding="utf-8")
        return page, Outline(page)

    default.append(make())
    return make


def full(evaluation: Evaluation) -> Gallery:
    pictures = dict.fromkeys(pictured(evaluation), PNG)
    return Gallery(pictures, pictures, PNG, PNG)


def test_nothing_is_fetched_and_nothing_runs(write: Write) -> None:
    page, outline = write()
    assert not re.search(r"<(script|link|iframe|object)|@import|url\((?!#)", page)
    sources = [value for _, name, value in outline.attributes if name in {"src", "href", "xlink:href", "srcset"}]
    assert sources
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in sources)
    assert "default-src 'none'" in page
    assert set(re.findall(r'https?://[^"\s]+', page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_page_is_the_same_each_time(write: Write) -> None:
    assert write()[0] == write({"seed": 3}, {})[0]


def test_header_figures_and_rates(write: Write, evaluate: Make) -> None:
    text, result = write()[1].text, evaluate()
    for shown in (
        "method algan-image",
        "seed 3",
        "tested on 20 normal, 10 anomalous",
        "trained on 57 normal images",
    ):
        assert shown in text
    low, high = result.intervals["image_auroc"]
    assert f"AUROC {result.image_auroc:.3f} {low:.3f} – {high:.3f}" in text
    assert "flagging everything gives 0.500" in text
    assert "false alarms: wanted 10 % false alarms: guaranteed, on average 10 %" in text
    assert "false alarms: found here 10 % anomalies detected at that threshold 70 %" in text
    assert "on average at most 10 % of good ones like them are flagged" in text  # Calibration.explain()


def test_nothing_is_called_guaranteed_where_the_calibration_normals_chose_the_epoch(write: Write) -> None:
    void = Calibration(scores=tuple(range(19)), false_alarm_rate=0.1, also_selected=True)
    text = write({"calibration": void}, {"calibration": void})[1].text
    assert "guaranteed, on average nothing: the same normals chose the epoch false alarms: found" in text
    assert "approximately, because the same normals chose the epoch" in text
    assert "The guarantee" not in text


def test_defects_and_trade_off_with_the_models_own_threshold(
    write: Write,
) -> None:
    page, outline = write()
    assert re.search(r"crack 5 0\.\d{3} 60 % stain 5 0\.\d{3} 80 %", outline.text)
    own = re.findall(r'<tr class="own">(.*?)</tr>', page, flags=re.DOTALL)
    assert [re.findall(r">([^<]+)</td>", row) for row in own] == [["17.00", "10\xa0%", "70\xa0%"]]
    thresholds = [float(t) for t in re.findall(r'<tr[^>]*>\s*<td class="number">([\d.]+)</td>', page)]
    assert thresholds == sorted(set(thresholds), reverse=True)
    assert len(thresholds) > 2


def test_protocol_thesis_carries_its_note_and_every_section_its_protocol(
    write: Write,
) -> None:
    thesis = write({"protocol": "thesis"}, {"protocol": "thesis"})
    normal_only = write()
    assert "Labelled test-half data selected the checkpoint" in thesis[1].text
    assert "Labelled test-half data selected the checkpoint" not in normal_only[1].text
    for (page, outline), protocol in ((thesis, "thesis"), (normal_only, "normal-only")):
        sections = page.count("<section>")
        assert sections == 6
        assert page.count(f'<span class="protocol">protocol {protocol}</span>') == sections
        assert f"protocol {protocol}</title>" in page
        assert f"Protocol {protocol}." in outline.text


def test_the_verdict_comes_first_then_pictures_then_statistics(write: Write) -> None:
    text = write()[1].text
    places = [
        "7 of 10 defective parts were found; 2 of 20 good parts were flagged by mistake (10 %; promised: at most 10 %",
        "method algan-image", "Misses", "False alarms", "Scores and threshold", "AUROC 0.", "Training",
    ]  # fmt: skip
    assert [text.index(place) for place in places] == sorted(text.index(place) for place in places)


def test_one_rate_is_written_in_one_way(write: Write) -> None:
    """10 of 201 are 4.975 %: 4.98 % in the sentence of the calibration and in the table."""
    calibration = Calibration(scores=tuple(range(200)), false_alarm_rate=0.05)
    text = write({"calibration": calibration}, {"calibration": calibration})[1].text
    assert text.count("4.98 %") == 2
    assert "promised: at most 5 % on average" in text  # what is below the wanted rate keeps it


def test_when_it_was_trained_and_tested(write: Write) -> None:
    assert "trained on 57 normal images tested on 20 normal, 10 anomalous Protocol" in write()[1].text
    dated = write({"evaluated": "2026-02-03T04:05:06.000+00:00"},
                  {"training": {"n_train": 57, "finished": "2026-01-02T03:04:05.000+00:00"}})[1].text  # fmt: skip
    assert "trained on 57 normal images, 2026-01-02" in dated
    assert "tested on 20 normal, 10 anomalous, 2026-02-03" in dated


def test_files_are_named_with_their_folder(write: Write) -> None:
    _, outline = write({"paths": [f"/data/test/scratch/{i:03d}.png" for i in range(30)]})
    assert "scratch/007.png" in outline.text
    assert "test/scratch" not in outline.text


def test_samples_left_out_are_a_fact_of_the_page(write: Write) -> None:
    assert "7 left out: the model was made with them" in write({"n_left_out": 7})[1].text
    assert "left out" not in write()[1].text


def test_names_are_shown_not_interpreted(write: Write) -> None:
    evil = "<script>alert('x')</script>"
    page, outline = write(
        {
            "dataset": evil,
            "method": evil,
            "defects": [evil] * 30,
            "paths": [f'"><img src=x onerror=y>{i}' for i in range(30)],
            "skipped": [Skipped(Path(f"{evil}.png"), evil)],
        },
        {"selection": evil, "versions": {evil: evil}, "training": {evil: evil, "n_train": 5}},
    )
    assert "<script" not in page
    assert "<img src=x" not in page
    assert outline.text.count(evil) >= 8


def test_maps_are_labelled_as_what_they_are(write: Write, evaluate: Make) -> None:
    label = "an attribution of the image-level score, not a segmentation"
    assert label in write()[1].text
    without = Gallery(full(evaluate()).thumbnails)
    assert label not in write(gallery=without)[1].text


def test_misses_and_false_alarms_come_first(write: Write, evaluate: Make) -> None:
    shown = {group.title: [image.score for image in group.images] for group in groups(evaluate())}
    assert list(shown) == ["Misses", "False alarms", "Most odd", "Least odd"]
    assert shown["False alarms"] == [19, 18]
    assert shown["Misses"] == [15, 16, 17]
    assert shown["Most odd"][:3] == [24, 23, 22]
    assert shown["Least odd"] == list(range(SHOWN))
    text = write()[1].text
    assert [text.index(title) for title in shown] == sorted(text.index(title) for title in shown)
    assert "12 of 30" in text


def test_pictured_names_each_shown_image_once(evaluate: Make) -> None:
    wanted = pictured(evaluate())
    assert len(wanted) == len(set(wanted))
    assert set(wanted) == {image.path for group in groups(evaluate()) for image in group.images}


def test_without_decisions_there_are_no_false_alarms(evaluate: Make) -> None:
    assert [group.title for group in groups(evaluate(calibration=None))] == ["Most odd", "Least odd"]


def test_missing_pictures_leave_their_image_listed(write: Write, evaluate: Make) -> None:
    some = dict.fromkeys(pictured(evaluate())[:1], PNG)
    _, outline = write(gallery=Gallery(some))
    assert "no picture" in outline.text
    _, bare = write(gallery=Gallery())
    assert "no picture" not in bare.text  # none at all: the scores stand alone
    assert "Most odd" in bare.text
    assert "Generated images" not in bare.text


@pytest.mark.parametrize(
    ("evaluation", "config", "absent"),
    [
        ({"calibration": None}, {"calibration": None}, ["false alarms: wanted", "False alarms"]),
        ({"labels": [0] * 30}, {}, ["ROC curve", "AUROC", "Trade-off", "By kind of defect"]),
        ({"labels": [1] * 30}, {}, ["ROC curve", "Trade-off"]),
        ({"labels": [], "scores": [], "defects": [], "paths": []}, {}, ["ROC curve", "Most odd"]),
        (
            {},
            {"input": "vector", "preprocessing": None, "training": {}, "plan": {}},
            ["Images", "trained on"],
        ),
    ],
)
def test_what_is_not_there_makes_no_empty_place(
    write: Write,
    evaluation: dict[str, Any],
    config: dict[str, Any],
    absent: list[str],
) -> None:
    _, outline = write(evaluation, config, metrics=[], gallery=Gallery())
    for text in [*absent, "Losses", "None", "Generated images"]:
        assert text not in outline.text


def test_an_unwritable_name_does_not_stop_the_report(write: Write) -> None:
    page, _ = write({"paths": [f"caf\udce9{i}.png" for i in range(30)]})
    assert "caf" in page


def test_negative_and_large_scores_read_well(write: Write) -> None:
    text = write({"scores": [-1234.5 + 100 * i for i in range(30)], "calibration": None})[1].text
    assert "−1234 " in text or "−1235 " in text
    assert "-1234" not in text
