"""The words of the page, in every language: a TOML file each, with the same keys."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from algan_ad.runtime.numbers import percent

LANGUAGES = ("en", "de")  # the first one for everybody who wants another one


class Words:
    """The words of a language, and its way of writing numbers."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = texts(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, with its {places} filled in. Raises KeyError for an unknown key."""
        return self._texts[key].format(**values)

    def known(self, view: str, word: str) -> str:
        """The text of a word of the record; the word itself when nobody has translated it."""
        return self._texts.get(f"{view}.{word}", word)

    def percent(self, share: float | None) -> str:
        """A share of 1 as percent, which a line never breaks."""
        return self._own(percent(share)).replace(" ", "\N{NO-BREAK SPACE}")

    def number(self, value: float | None) -> str:
        """A score, with four significant digits."""
        return "–" if value is None else self._own(f"{value:#.4g}".rstrip(".")).replace("-", "−")

    def gigabytes(self, n_bytes: int) -> str:
        """A number of bytes in GB, with one decimal."""
        return self._own(f"{n_bytes / 1e9:.1f}")

    def _own(self, text: str) -> str:
        return text.replace(".", self._texts["format.decimal"])


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts of a language by their keys, `view.text`."""
    tables = tomllib.loads(files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{view}.{name}": text for view, table in tables.items() for name, text in table.items()}
