import pytest
from pydantic import ValidationError

from algan_ad.runtime.errors import InputError, dashed
from algan_ad.runtime.schema import Schema, describe


class Part(Schema):
    size: int


class Whole(Schema):
    parts: list[Part]
    name: str


def test_every_bad_field_is_named_with_what_was_found() -> None:
    with pytest.raises(InputError, match=r"^parts.*list.*found 7.*; name.*string.*found 1") as caught:
        Whole(parts=7, name=1)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_the_command_line_names_a_field_as_an_option() -> None:
    with pytest.raises(InputError) as caught:
        Part(size="x")  # type: ignore[arg-type]
    assert dashed(caught.value.args).startswith("--size: Input should be a valid integer")


def test_unknown_fields_are_refused_and_values_frozen() -> None:
    with pytest.raises(InputError, match="sise"):
        Part(sise=3)  # type: ignore[call-arg]
    part = Part(size=3)
    with pytest.raises(ValidationError, match="frozen"):
        part.size = 4


def test_a_bad_nested_part_names_its_place() -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"parts": [{"size": 1}, {"size": "x" * 500}], "name": "n"})
    text = describe(caught.value)
    assert "parts.1" in text
    assert "size" in text
    assert len(text) < 300


def test_json_round_trip() -> None:
    whole = Whole(parts=[Part(size=1), Part(size=2)], name="n")
    assert Whole.model_validate_json(whole.model_dump_json()) == whole
