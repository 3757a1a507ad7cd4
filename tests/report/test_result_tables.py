import csv
import io
import re

from algan_ad.report.tables import EMPTY, Cell, Table, latex, markdown, to_csv

TABLE = Table(
    "AUROC",
    "Two seeds; 50 % of them & more.",
    "category",
    ("A_1", "B|2"),
    (
        ("metal_nut", (Cell("0.900 ± 0.010", "0.811 ± 0.060", best=True, numbers={"mean": 0.9001, "seeds": 2}), EMPTY)),
        ("mean", (Cell("0.8", mark="†", numbers={"mean": 0.8, "seeds": 1}), Cell("failed"))),
    ),
    "thesis",
)


def test_markdown_keeps_its_columns_and_shows_what_is_best_missing_and_published() -> None:
    lines = [line for line in markdown(TABLE).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}  # the | of a name is escaped
    assert lines[2] == r"| metal\_nut | **0.900 ± 0.010** (0.811 ± 0.060) | – |"
    assert lines[3] == "| mean | 0.8† | failed |"


def test_csv_holds_the_unrounded_figures_and_nothing_that_is_not_one() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv([TABLE]))))
    assert [(row["row"], row["column"], row["mean"], row["mark"]) for row in rows] == [
        ("metal_nut", "A_1", "0.9001", ""),
        ("mean", "A_1", "0.8", "†"),
    ]
    assert {row["protocol"] for row in rows} == {"thesis"}
    assert to_csv([]) == "table,protocol,row,column\n"


def test_latex_escapes_what_it_would_read_as_commands() -> None:
    text = latex(TABLE)
    assert r"50 \% of them \& more" in text
    assert r" & A\_1 & B|2 \\" in text.replace("category", "")
    assert r"metal\_nut & \textbf{0.900 $\pm$ 0.010} (0.811 $\pm$ 0.060) & -- \\" in text
    assert r"mean & 0.8$^\dagger$ & failed \\" in text
    assert text.count(r"\begin{tabular}{lrr}") == 1
    assert not re.search(r"(?<!\\)[%#_](?!\{)", text)
