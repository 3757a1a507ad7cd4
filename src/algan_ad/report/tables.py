"""A table of results once, written as Markdown, CSV and LaTeX (as HTML by templates/benchmark.html.j2)."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """A figure as it is shown.

    Attributes:
        text: "0.912 ± 0.020", or "–" where there is nothing.
        beside: the published figure in the same form, or "".
        best: True for the best of its row, and for those not known to be worse; shown in bold.
        mark: "†" where the figure is not as planned; the table's caption says why.
        numbers: the figure unrounded, for the CSV file.
    """

    text: str
    beside: str = ""
    best: bool = False
    mark: str = ""
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)


EMPTY = Cell("–")


@dataclass(frozen=True)
class Table:
    """`columns` and the names of the `rows` are headings; each row has a cell for every column.

    `protocol` stands in the CSV file; captions say it in words.
    """

    title: str
    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    protocol: str = ""


def markdown(table: Table) -> str:
    """The table in Markdown. The published figure follows in brackets; `best` figures are bold."""
    head = [table.corner, *table.columns]
    lines = [f"### {table.title}", "", _row(map(_escape, head)), _row(["---", *["---:"] * len(table.columns)])]
    for name, cells in table.rows:
        lines.append(_row([_escape(name), *(_markdown(cell) for cell in cells)]))
    return "\n".join([*lines, "", table.caption, ""])


def to_csv(tables: Iterable[Table]) -> str:
    """The tables as CSV, one line per figure, unrounded: table, protocol, row, column, then the cell's numbers."""
    flat = [
        {
            "table": table.title,
            "protocol": table.protocol,
            "row": name,
            "column": column,
            "mark": cell.mark,
            **cell.numbers,
        }
        for table in tables
        for name, cells in table.rows
        for column, cell in zip(table.columns, cells, strict=True)
        if cell.numbers
    ]
    fields = list(dict.fromkeys(key for row in flat for key in row)) or ["table", "protocol", "row", "column"]
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def latex(table: Table) -> str:
    r"""A `table` with `\toprule` and friends (package booktabs)."""
    lines = [
        r"\begin{table}",
        rf"\caption{{{_tex(f'{table.title}. {table.caption}')}}}",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(map(_tex, [table.corner, *table.columns])) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join([_tex(name), *(_latex(cell) for cell in cells)]) + r" \\" for name, cells in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _markdown(cell: Cell) -> str:
    text = f"**{_escape(cell.text)}**" if cell.best else _escape(cell.text)
    return text + cell.mark + (f" ({_escape(cell.beside)})" if cell.beside else "")


def _latex(cell: Cell) -> str:
    text = rf"\textbf{{{_tex(cell.text)}}}" if cell.best else _tex(cell.text)
    mark = rf"${_TEX[cell.mark]}$" if cell.mark in _TEX else _tex(cell.mark)
    return text + (mark if cell.mark else "") + (f" ({_tex(cell.beside)})" if cell.beside else "")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_|<>])", r"\\\1", text)


_TEX = {"†": r"^\dagger"}
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
            "–": "--", "−": "$-$", "†": r"$^\dagger$", "×": r"$\times$", "σ": r"$\sigma$", "α": r"$\alpha$",
            "ξ": r"$\xi$"}  # fmt: skip


def _tex(text: str) -> str:
    return re.sub(r"[&%$#_{}\\~^±–−†×σαξ]", lambda found: _SPECIAL.get(found[0], "\\" + found[0]), text)
