"""`algan methods`."""

from dataclasses import dataclass

from algan_ad.cli.parsing import Json, emit, parse


@dataclass
class Methods:
    """List the methods: the needs of each, its results and the way it is fitted."""

    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Methods, "methods", argv)
    from algan_ad.cli.show import show_methods
    from algan_ad.detectors import list_methods

    methods = list_methods()
    rows = [each.model_dump(exclude={"home", "maps"}) | {"returns": each.returns, "summary": each.summary}
            for each in methods]  # fmt: skip
    return emit({"methods": rows}, o.json, lambda console: show_methods(console, methods))
