"""Numbers written for people: one rule of rounding on every screen and page."""


def percent(share: float | None) -> str:
    """A share of 1 as percent with three significant digits: 10 of 201 is "4.98 %"; an unknown share is "–"."""
    return "–" if share is None else f"{100 * share:.3g} %"
