"""`algan methods`."""

from dataclasses import dataclass

from algan_ad.cli.parsing import Json, emit, parse


@dataclass
class Methods:
    """The methods there are: what each needs, what it returns, how it is fitted."""

    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Methods, "methods", argv)
    from algan_ad.workflows.methods import describe_methods, show_methods

    methods = describe_methods()
    return emit({"methods": [dict(each) for each in methods]}, o.json, lambda console: show_methods(console, methods))
