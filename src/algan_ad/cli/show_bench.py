"""The screen of `algan bench`."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from algan_ad.runtime.numbers import percent
from algan_ad.workflows.bench import Bench, Ratio


def show_bench(console: Console, bench: Bench) -> None:
    """Print everything that was measured of one model."""
    console.print(f"{bench.model}: {bench.method} by {bench.scorer}, {bench.images}; {bench.machine}", soft_wrap=True)
    stages = Table("stage", "p50 ms", "p95", "p99", box=None)
    for name, spread in bench.stages.items():
        stages.add_row(name, *(f"{each:.3g}" for each in (spread.p50, spread.p95, spread.p99)))
    console.print(stages)
    batches = list(next(iter(bench.throughput.values())))
    throughput = Table("images/s", *(f"batch {n}" for n in batches), box=None)
    for threads, row in bench.throughput.items():
        throughput.add_row(f"{threads} thread{'s' * (threads > 1)}", *(f"{row[n]:.4g}" for n in batches))
    console.print(throughput)
    memory = "" if bench.peak_mb is None else f", {bench.peak_mb:.0f} MB at most"
    console.print(
        f"from start to first score: {bench.start_seconds:.2f} s, {bench.start_processor_seconds:.2f} s of processor "
        f"time{memory}",
        soft_wrap=True,
    )
    console.print(_limit(bench), soft_wrap=True)


def show_comparison(console: Console, mine: Bench, other: Bench, ratios: Mapping[str, Ratio]) -> None:
    """Print what was measured of two models, and how many times faster the first is than the other."""
    for each in (mine, other):
        show_bench(console, each)
    table = Table("measured in turn", "times faster", "95 % interval", box=None)
    for name, ratio in ratios.items():
        table.add_row(name, f"{ratio.ratio:.3g}", f"{ratio.low:.3g} to {ratio.high:.3g}")
    console.print(f"{mine.model} against {other.model}", soft_wrap=True)
    console.print(table)


def _limit(bench: Bench) -> str:
    limit = f"this machine multiplies matrices at {bench.limit_gflops:.0f} GFLOP/s"
    if bench.flops is None or bench.share_of_limit is None:
        return f"{limit}; the operations of this model are not known"
    shares = ", ".join(f"{percent(share)} at batch {n}" for n, share in bench.share_of_limit.items())
    return f"{limit}; of that, scoring at {bench.flops / 1e9:.3g} GFLOP an image reaches {shares}"
