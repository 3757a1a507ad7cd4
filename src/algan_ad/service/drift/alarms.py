"""The alarms of drift: what has changed, since when, and what to do, as numbers and in words."""

from typing import Literal

from algan_ad.runtime.schema import Schema
from algan_ad.service.drift.rank_test import TAIL, Change
from algan_ad.service.page.words import Words

SCORES = "scores"
Kind = Literal["light", "colour", "focus", "picture size", "scores"]

KINDS: dict[str, Kind] = {
    "brightness": "light", "contrast": "light", "red": "colour", "blue": "colour", "sharpness": "focus",
    "width": "picture size", "height": "picture size", SCORES: "scores",
}  # fmt: skip


class Alarm(Schema):
    """An alarm, as the record keeps it.

    figure: the one that has changed most; also: others that have changed. since: the number of the first part of the
    change, an estimate; parts: their number from there on. pictures_known: False while the pictures have no reference.
    The others are those of `Change`.
    """

    figure: str
    also: tuple[str, ...]
    since: int
    parts: int
    rises: bool
    extreme: float
    expected: float
    before: float
    now: float
    pictures_known: bool

    @classmethod
    def of(cls, figure: str, change: Change, also: tuple[str, ...], pictures_known: bool) -> "Alarm":
        """The alarm of a change."""
        return cls(figure=figure, also=also, pictures_known=pictures_known, **vars(change))

    @property
    def kind(self) -> Kind:
        """The kind of what has changed."""
        return KINDS[self.figure]

    def headline(self, words: Words) -> str:
        """The change in a few words."""
        return words(f"drift.{self.figure}_{'up' if self.rises else 'down'}")

    def message(self, words: Words) -> str:
        """The change, its size and its beginning, and what to do."""
        if self.kind == SCORES:
            pictures = "unchanged" if self.pictures_known else "unknown"
            advice = [pictures, f"advice_scores_{'up' if self.rises else 'down'}"]
        else:
            advice = [f"advice_{self.kind}", "advice_pictures"]
        texts = [self._facts(words), *self._others(words), *(words(f"drift.{each}") for each in advice)]
        return " ".join(texts)

    def _facts(self, words: Words) -> str:
        return words(
            f"drift.facts_{'up' if self.rises else 'down'}", headline=self.headline(words), since=self.since,
            parts=self.parts, extreme=words.percent(self.extreme), tail=words.percent(TAIL),
            expected=words.percent(self.expected), figure=words(f"figure.{self.figure}"), now=words.number(self.now),
            before=words.number(self.before),
        )  # fmt: skip

    def _others(self, words: Words) -> list[str]:
        named = ", ".join(words(f"figure.{each}") for each in self.also)
        return [words("drift.also", figures=named)] if named else []
