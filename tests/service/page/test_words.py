"""The catalogue of words: complete in every language, and all of it in use."""

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from algan_ad.service import page
from algan_ad.service.drift import monitor as drift
from algan_ad.service.feedback.judgements import JUDGEMENTS
from algan_ad.service.inspection import causes
from algan_ad.service.page import preferences, visit
from algan_ad.service.page.words import LANGUAGES, Words, texts
from algan_ad.service.record.inspections import Filter
from algan_ad.service.security.tokens import ROLES

TEMPLATES = {path.name: path.read_text() for path in Path(page.__file__).parent.glob("templates/*.j2")}
KEYS = [key for text in TEMPLATES.values() for key in re.findall(r't\("([\w ]+\.[\w ]+)"[,)]', text)]
GROUPS = {
    "verdict": get_args(get_args(Filter.model_fields["verdict"].annotation)[0]), "judgement": JUDGEMENTS,
    "role": ROLES, "view": visit.VIEWS,
    "preference": [*preferences.CHOICES, *preferences.CHOICES["theme"], *preferences.CHOICES["keys"]],
    "drift": [f"{figure}_{way}" for figure in drift.NAMES for way in ("up", "down")]
    + [f"advice_{each}" for each in ("pictures", *set(drift.KINDS.values()) - {"scores"}, "scores_up", "scores_down")],
    "figure": drift.NAMES, "cause": [value for name, value in vars(causes).items() if name.isupper()],
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same(language: str) -> None:
    first, found = texts(LANGUAGES[0]), texts(language)
    assert found.keys() == first.keys()
    assert [key for key in first if _places(first[key]) != _places(found[key])] == []
    assert [key for key, text in found.items() if not text.strip()] == []


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_word_of_a_template_is_there() -> None:
    assert len(KEYS) > 100
    assert [key for key in KEYS if key not in texts("en")] == []


@pytest.mark.parametrize("group", GROUPS)
def test_groups_of_words_are_complete(group: str) -> None:
    assert [word for word in GROUPS[group] if f"{group}.{word}" not in texts("en")] == []


def test_no_word_is_left_over() -> None:
    """Words are named whole in a template, or belong to a group that a template opens by its beginning."""
    whole = "".join(TEMPLATES.values())
    opened = {*re.findall(r'"(\w+)\."', whole), *re.findall(r't\.known\("(\w+)"', whole), "format", "estimate", "drift"}
    named = set(re.findall(r'"(\w+\.\w+)"', whole)) | {f"history.{each}" for each in ("verdict", "judgement")}
    assert [key for key in texts("en") if key.split(".")[0] not in opened and key not in named] == []


def test_numbers_are_written_as_the_language_does() -> None:
    english, german = Words("en"), Words("de")
    assert (english.percent(0.0617), german.percent(0.0617)) == ("6.17\xa0%", "6,17\xa0%")
    assert (english.number(-12.5), german.number(-12.5)) == ("−12.50", "−12,50")
    assert (english.number(None), german.gigabytes(10**9)) == ("–", "1,0")


def test_words_that_nobody_has_translated_stay() -> None:
    assert Words("de").known("alarm", "something new") == "something new"
    with pytest.raises(KeyError):
        Words("de")("page.something")
