"""Outcomes of all runs of a plan: the one place from which tables and plots take their figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from algan_ad.benchmark.plan import Plan, RunSpec
from algan_ad.benchmark.results import Result
from algan_ad.benchmark.sources import Sources


class Row(NamedTuple):
    """A data set of a plan, or one category of it; `name` is its name in tables."""

    name: str
    data: str
    category: str | None


@dataclass(frozen=True)
class Outcome:
    """Results of one method on one row by one protocol, by seed; a planned seed without one has not been run."""

    planned: tuple[int, ...]
    done: Mapping[int, Result]
    failed: Mapping[int, Result]

    def values(self, figure: str) -> dict[int, float]:
        """The figure by seed, if it could be measured; times and sizes count as figures, too."""
        found = {seed: each.figures.get(figure, getattr(each, figure, None)) for seed, each in self.done.items()}
        return {seed: float(value) for seed, value in sorted(found.items()) if isinstance(value, int | float)}

    def expected(self, figure: str) -> int:
        """Number of seeds that should have the figure; done runs in which it cannot be measured do not count."""
        return len(self.planned) - len(self.done) + len(self.values(figure))


class Outcomes:
    """A plan with its results by key. Results of other settings take no part; `unknown` counts them."""

    def __init__(self, plan: Plan, results: Mapping[str, Result]) -> None:
        self.plan, self._results = plan, results
        self.labels = tuple(method.label for method in plan.methods)
        self.rows = tuple(_rows(plan))
        self._specs: dict[tuple[str, Row, str, int], tuple[str, RunSpec]] = {
            (spec.label, row, spec.protocol, spec.seed): (spec.key, spec)
            for row in self.rows
            for spec in _planned(plan, row)
        }
        self.unknown = len(results.keys() - {key for key, _ in self._specs.values()})

    def of(self, label: str, row: Row, protocol: str) -> Outcome:
        keys = {
            seed: self._specs[label, row, protocol, seed][0]
            for seed in self.plan.seeds
            if (label, row, protocol, seed) in self._specs
        }
        found = {seed: self._results[key] for seed, key in keys.items() if key in self._results}
        return Outcome(
            tuple(keys),
            {seed: result for seed, result in found.items() if result.status == "done"},
            {seed: result for seed, result in found.items() if result.status == "failed"},
        )

    def runs(self) -> list[tuple[RunSpec, Result | None]]:
        """All planned runs with their results; None for a run that has not been run."""
        return [(spec, self._results.get(key)) for key, spec in self._specs.values()]

    def done(self) -> list[Result]:
        """Results of the plan's runs that are done."""
        return [result for _, result in self.runs() if result is not None and result.status == "done"]

    def complete_seeds(self, label: str, rows: Sequence[Row], protocol: str, figure: str) -> dict[int, float]:
        """Mean of the figure over `rows` by seed, for seeds that have it on every row."""
        values = [self.of(label, row, protocol).values(figure) for row in rows]
        seeds = set.intersection(*(set(each) for each in values)) if values else set()
        return {seed: sum(each[seed] for each in values) / len(values) for seed in sorted(seeds)}


def _planned(plan: Plan, row: Row) -> Iterable[RunSpec]:
    data = next(each for each in plan.data if each.label == row.data)
    return (
        plan.spec(method, data, row.category, seed, protocol)
        for method in plan.methods_on(data)
        for protocol in plan.protocols
        for seed in plan.seeds
    )


def _rows(plan: Plan) -> Iterable[Row]:
    for data in plan.data:
        for category in Sources(None, look=False).categories(data.name, data.categories):
            name = data.label if category is None else category
            yield Row(
                name if len(plan.data) == 1 or category is None else f"{data.label} / {name}", data.label, category
            )
