"""The screens of the verbs."""

import io

from rich.console import Console

from algan_ad.cli.show import show_methods
from algan_ad.detectors import METHODS, list_methods


def test_methods_are_shown_by_family() -> None:
    text = io.StringIO()
    show_methods(Console(file=text, width=80, markup=False), list_methods())
    shown = text.getvalue()
    words = " ".join(shown.split())
    assert [name for name in METHODS if name not in shown] == []
    assert words.count("; not exported;") == sum(not each.exports for each in list_methods()) > 0
    assert shown.index("ALGAN\n") < shown.index("algan-image") < shown.index("traditional") < shown.index("knn")
