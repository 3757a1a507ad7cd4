import io

from rich.console import Console

from algan_ad.detectors import METHODS
from algan_ad.workflows.methods import describe_methods, show_methods


def test_every_method_is_described() -> None:
    methods = {each.name: each for each in describe_methods()}
    assert methods.keys() == METHODS.keys()
    for name, each in methods.items():
        assert len(each.summary) > 15, name
        assert each.input in ("image", "vector")
        assert each.returns[0] == "score"
        assert ("map" in each.returns) == METHODS[name].draws_maps


def test_what_is_known_of_some() -> None:
    methods = {each.name: each for each in describe_methods()}
    image, feature, knn = methods["algan-image"], methods["algan-feature"], methods["knn"]
    assert (image.family, image.input, image.backbone, image.epochs) == ("ALGAN", "image", False, True)
    assert (feature.backbone, feature.returns) == (True, ("score", "attribution"))
    assert (knn.input, knn.epochs, knn.returns) == ("vector", False, ("score",))


def test_they_are_shown_by_family() -> None:
    text = io.StringIO()
    show_methods(Console(file=text, width=80, markup=False), describe_methods())
    shown = text.getvalue()
    assert [name for name in METHODS if name not in shown] == []
    assert shown.index("ALGAN\n") < shown.index("algan-image") < shown.index("traditional") < shown.index("knn")
