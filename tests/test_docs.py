"""The documentation against the product: commands parse, options exist and are described, links lead somewhere."""

import contextlib
import importlib.util
import io
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro
from packaging.requirements import Requirement

import algan_ad
from algan_ad import cli
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared import trained_by_epochs
from algan_ad.evaluation.results import Evaluation
from algan_ad.training.loop import Schedule

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = [page for page in PAGES if page.parent.name != "experiments"]  # those have the options of benchmarks/, too

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "sh", "bash")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
OF_OTHERS = {"--logdir"}  # TensorBoard's


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def _blocks(page: Path) -> Iterator[str]:
    for language, content in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in SHELL:
            yield content.replace("\\\n", " ")


def _inline(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", _prose(page))


def _commands(page: Path) -> Iterator[str]:
    """Every `algan ...` of the shell blocks, without comments and without the rest of its line."""
    for line in (line for block in _blocks(page) for line in block.splitlines()):
        for part in re.split(r"&&|\||;|>", re.sub(r"(^|\s)#.*", "", line)):
            if part.strip().startswith("algan "):
                yield part.strip()


COMMANDS = sorted({(command, _name(page)) for page in PAGES for command in _commands(page)})


PROGRAMS = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", PROGRAMS, ids=_name)
def test_programs_run(page: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block, one after the other, among the files that the text names; trainings end after one epoch."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(parts, "parts")
    Path("new-images").mkdir()
    for i in (1, 2):
        shutil.copy(parts / "test/good/000.png", f"new-images/000{i}.png")
    monkeypatch.setattr(trained_by_epochs, "Schedule", lambda epochs, *rest: Schedule(1, *rest))
    rng = np.random.default_rng(0)
    names: dict[str, Any] = {"X_good": rng.normal(size=(200, 5)), "X_new": rng.normal(size=(9, 5))}
    for language, program in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(program, _name(page), "exec"), names)


class _ParsedError(Exception):
    """An error raised where a verb has its options and would begin to work."""


@pytest.fixture(scope="module")
def beside_a_plan(pristine_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plan.json, whose method decides which options a command has."""
    folder = tmp_path_factory.mktemp("planned")
    (folder / "plan.json").write_text(json.dumps(algan_ad.plan(pristine_parts)))
    return folder


@pytest.mark.parametrize(("command", "page"), COMMANDS)
def test_commands_parse(command: str, page: str, beside_a_plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beside_a_plan)
    parse = tyro.cli

    def parse_and_stop(*args: Any, **options: Any) -> None:
        parse(*args, **options)
        raise _ParsedError

    monkeypatch.setattr(tyro, "cli", parse_and_stop)
    with pytest.raises(_ParsedError):
        cli.run(shlex.split(command)[1:])


def test_every_verb_is_shown_at_work() -> None:
    assert [verb for verb in cli.VERBS if not any(command.startswith(f"algan {verb}") for command, _ in COMMANDS)] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_verbs_named_in_the_text_exist(page: Path) -> None:
    named = [text.removeprefix("algan ") for text in _inline(page) if text.startswith("algan ")]
    assert [text for text in named if not text.startswith(("--help", "--version", *cli.VERBS))] == []


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Every option that the help of some verb shows."""
    helps = [[*verb.split(), "--help"] for verb in cli.VERBS]
    helps += [["train", "--method", method, "--help"] for method in METHODS]
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
        patch.setenv("COLUMNS", "200")
        assert [cli.run(argv) for argv in helps] == [0] * len(helps)
    return set(OPTION.findall(shown.getvalue()))


def test_the_reference_describes_every_option(options: set[str]) -> None:
    described = "".join((ROOT / "docs" / name).read_text() for name in ("reference.md", "options.md"))
    assert options - {"--help"} - set(OPTION.findall(described)) == set()


def test_the_page_of_options_is_that_of_the_schemas() -> None:
    script = ROOT / "docs" / "make_options.py"
    spec = importlib.util.spec_from_file_location("make_options", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "options.md").read_text(encoding="utf-8") == module.page(), f"run python {script}"


def test_the_methods_that_flips_act_on_are_named() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    sentence = text.split("act on the methods that train on the images themselves: ")[1].split(".")[0]
    found = {name for name, method in METHODS.items() if method.augments and getattr(method, "input", "") == "image"}
    assert set(re.findall(r"`(.+?)`", sentence)) == found


def test_keys_of_results_are_described() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    section = text.split("\n## evaluation.json\n")[1].split("\n## ")[0]
    assert set(Evaluation.model_fields) - set(re.findall(r"`(\w+)`", section)) == set()


@pytest.mark.parametrize("page", OURS, ids=_name)
def test_options_named_in_the_text_exist(page: Path, options: set[str]) -> None:
    named = {option for text in _inline(page) for option in OPTION.findall(text)}
    assert named - options - {"--help", "--version"} - OF_OTHERS == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(_prose(page)) if not _exists(page, link)] == []


def _exists(page: Path, link: str) -> bool:
    if re.match(r"https?://|mailto:", link):
        return True
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_ci_runs_the_second_command_of_the_readme() -> None:
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert r"sed -n 's/^\(pip install .*pytest.*\)$/\1/p' README.md" in ci
    commands = re.findall(r"^pip install .*", readme, re.MULTILINE)
    assert commands == [
        'pip install ".[train]" && algan demo',
        'pip install ".[train,export,openvino,benchmark,dev,serve,tracking,video]" -c constraints.txt && pytest',
    ]


def test_constraints_pin_one_allowed_version_of_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {requirement.name: requirement for group in groups for requirement in map(Requirement, group)}
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    assert pins.keys() == wanted.keys()
    assert [name for name, version in pins.items() if version not in wanted[name].specifier] == []
