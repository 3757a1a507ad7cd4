import pytest

from algan_ad.evaluation.figures import AUROC, DECISIONS, FIGURES, Figure
from algan_ad.evaluation.results import Evaluation


def test_every_figure_is_a_field_of_an_evaluation_and_the_other_way_round() -> None:
    numbers = {name for name, field in Evaluation.model_fields.items() if field.annotation == float | None}
    assert {figure.key for figure in FIGURES} == numbers - {"threshold"}  # scores have no unit


def test_figures_with_an_interval_can_be_computed() -> None:
    assert all(figure.of_scores for figure in FIGURES if figure.interval)


@pytest.mark.parametrize(
    ("figure", "value", "text"),
    [
        (AUROC, 0.98765, "0.988"),
        (Figure("n_parameters", "parameters", digits=0), 1234567.0, "1,234,567"),
        (DECISIONS[0], 0.05, "5 %"),
        (DECISIONS[1], 1 / 96, "1.04 %"),
        (DECISIONS[3], 1.0, "100 %"),
        (DECISIONS[2], 0.0, "0 %"),
    ],
)
def test_text(figure: Figure, value: float, text: str) -> None:
    assert figure.text(value) == text
