"""A plan that is written, edited and read back; what the arguments say beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algan_ad.runtime.errors import InputError
from algan_ad.workflows.train import train
from algan_ad.workflows.wishes import plan, read_plan, wish

Json = dict[str, Any]


@pytest.fixture(scope="module")
def of_images(pristine_parts: Path) -> Json:
    return plan(pristine_parts, seed=3)


def edited(found: Json, **changes: Any) -> Json:
    """A copy with other values; the rest of an entry stays as a user would leave it."""
    copy: Json = json.loads(json.dumps(found))
    for name, value in changes.items():
        copy["settings"].setdefault(name, {"origin": "fixed"})["value"] = value
    return copy


def test_a_plan_holds_every_setting_with_origin_and_reason(of_images: Json) -> None:
    settings = of_images["settings"]
    assert settings["method"] | {"reason": ""} == {"value": "algan-patch", "origin": "derived", "reason": ""}
    assert settings["epochs"]["origin"] == "fixed"
    assert settings["seed"] == {"value": 3, "origin": "user", "reason": None}
    assert all(bool(entry["reason"]) == (entry["origin"] == "derived") for entry in settings.values())
    assert of_images["facts"]["n_calibration"] == 6


def test_a_plan_as_it_was_written_changes_nothing(of_images: Json, pristine_parts: Path, tmp_path: Path) -> None:
    assert read_plan(of_images).users() == {"seed": 3}
    (tmp_path / "plan ü.json").write_text(json.dumps(of_images))
    model = train(pristine_parts, plan=tmp_path / "plan ü.json")
    assert {name: entry.model_dump() for name, entry in model.config.plan.items()} == of_images["settings"]


def test_a_plan_gives_the_same_model_bit_for_bit(pristine_parts: Path, tmp_path: Path) -> None:
    """With every kind of setting in it: fixed, derived and set by the user."""
    settings = {"prototypes": 16, "epochs": 3}
    (tmp_path / "plan.json").write_text(json.dumps(plan(pristine_parts, config=settings, seed=3)))
    planned = train(pristine_parts, plan=tmp_path / "plan.json")
    named = train(pristine_parts, config=settings, seed=3)
    found, wanted = planned.detector.tensors(), named.detector.tensors()
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    assert (planned.config.calibration, planned.config.plan) == (named.config.calibration, named.config.plan)


def test_edited_values_are_the_users(of_images: Json, pristine_parts: Path) -> None:
    """Those that were fixed, derived or set before; arguments win over them."""
    changed = edited(of_images, image_size=64, prototypes=16, false_alarm_rate=0.25, seed=4, calibration_fraction=0.4)
    users = {"image_size": 64, "prototypes": 16, "false_alarm_rate": 0.25, "seed": 4, "calibration_fraction": 0.4}
    assert read_plan(changed).users() == users
    config = train(pristine_parts, plan=changed, config={"prototypes": 8}, seed=5).config
    assert config.seed == 5
    found = {name: (config.plan[name].value, config.plan[name].origin) for name in users}
    assert found == {name: (value, "user") for name, value in (users | {"seed": 5, "prototypes": 8}).items()}
    assert config.training["n_calibration"] == 12


def test_what_an_edited_value_decides_follows_it(of_images: Json, pristine_parts: Path) -> None:
    """The rate is that of the new number of held-out images, though the file has that of the former."""
    config = train(pristine_parts, plan=edited(of_images, calibration_fraction=0.5, prototypes=8)).config
    entry = config.plan["false_alarm_rate"]
    assert (entry.value, entry.origin) == (0.1, "derived")
    assert "15 held-out" in (entry.reason or "")


def test_the_method_can_be_edited_where_the_rest_fits(table: Path) -> None:
    found = plan(table)
    bare = {**found, "settings": {"method": {"value": "mahalanobis", "origin": "derived"}}}
    assert wish(table, None, None, {}, bare).method.model_dump(exclude_none=True) == {
        "value": "mahalanobis", "origin": "user",
    }  # fmt: skip
    with pytest.raises(InputError, match=r"is no setting of mahalanobis; (write a plan of mahalanobis anew|did you)"):
        wish(table, None, None, {}, edited(found, method="mahalanobis"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epoch": 4}, "'epoch' is no setting of algan-patch; did you mean 'epochs'"),
        ({"epochs": 0}, "epochs: Input should be greater than or equal to 1"),
        ({"image_size": None}, "image_size: Input should be a valid integer"),
        ({"false_alarm_rate": "low"}, "false_alarm_rate: Input should be a valid number"),
        ({"method": "magic"}, "method='magic': not known"),
        ({"selection": "validation"}, "selection='validation': is for protocol='thesis'"),
    ],
)
def test_what_is_unknown_or_contradicts_is_refused(
    changes: Json, said: str, of_images: Json, pristine_parts: Path
) -> None:
    with pytest.raises(InputError, match=said):
        train(pristine_parts, plan=edited(of_images, **changes), config={"prototypes": 8})


def test_another_method_than_the_plans_is_refused(of_images: Json, pristine_parts: Path) -> None:
    with pytest.raises(InputError, match="method='padim': the plan is one of algan-patch; leave one of them out"):
        train(pristine_parts, "padim", plan=of_images)
    assert wish(pristine_parts, "algan-patch", None, {}, of_images).method.origin == "derived"


@pytest.mark.parametrize("content", ["[1]", "{}", '{"settings": {}}', "no json", '{"schema_version": 9}'])
def test_files_that_are_no_plan(content: str, pristine_parts: Path, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(InputError, match=r"p\.json"):
        train(pristine_parts, plan=tmp_path / "p.json")
