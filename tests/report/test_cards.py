import re
from collections.abc import Callable

from algan_ad.report.cards import model_card
from algan_ad.runtime.model_folder import ModelConfig, PlanEntry

Configure = Callable[..., ModelConfig]


def rows(card: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its first two lines."""
    section = card.split(heading)[1].split("\n#", maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_plan_is_complete_with_its_origins(configure: Configure) -> None:
    assert rows(model_card(configure(), []), "### Plan") == [
        ["`sigma`", "`4.0`", "fixed"],
        ["`precision`", '`"bfloat16"`', "derived"],
        ["`epochs`", "`64`", "set by the user"],
    ]


def test_what_it_is_how_made_how_loaded_and_its_limits(configure: Configure) -> None:
    card = model_card(configure(), ["fake-normal.png"])
    assert card.startswith("# algan-image on demo\n\nAn anomaly detector for images")
    assert configure().calibration.explain() in card
    assert "mean of the weights of epochs 33 to 64, chosen without labels" in card
    assert 'algan_ad.load_model("path/to/this/folder")' in card
    assert "resized to 64 x 64 pixels" in card
    assert "not a segmentation" in card
    assert "- n train: 57" in card
    assert "ab" * 32 in card
    assert "![fake-normal.png](<fake-normal.png>)" in card
    assert "\n\n\n" not in card
    assert card.endswith("\n")
    assert not card.endswith("\n\n")


def test_protocol_thesis_carries_its_note(configure: Configure) -> None:
    assert "Labelled test-half data selected the checkpoint" in model_card(configure(protocol="thesis"), [])
    assert "Labelled test-half data" not in model_card(configure(), [])


def test_a_map_is_called_what_it_is(configure: Configure) -> None:
    attribution, own = model_card(configure(maps="attribution"), []), model_card(configure(maps="own"), [])
    assert "attribution of the image-level score" in attribution
    assert "attribution" not in own
    assert "the method's own anomaly map" in own


def test_without_calibration(configure: Configure) -> None:
    card = model_card(configure(calibration=None), [])
    assert "scores, not decisions" in card
    assert "None" not in card


def test_vectors(configure: Configure) -> None:
    config = configure(input="vector", preprocessing=None, maps=None, training={}, fingerprint={}, plan={})
    card = model_card(config, [])
    assert card.startswith("# algan-image\n")
    assert "vectors.npy" in card
    assert "pixels" not in card
    assert "### Plan" not in card
    assert "map" not in card


def test_data_is_shown_literally(configure: Configure) -> None:
    config = configure(
        training={"dataset": "a|b *c* <img src=x>\n# d"},
        plan={"a|b": PlanEntry(value="x`|`y", origin="user")},
    )
    card = model_card(config, [])
    assert "<img" not in card.replace("\\<img", "")
    assert "\n# d" not in card
    assert rows(card, "### Plan") == [["`a\\|b`", "`\"x'\\|'y\"`", "set by the user"]]
