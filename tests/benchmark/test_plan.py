from collections.abc import Callable
from pathlib import Path

import pytest

from algan_ad.benchmark.plan import Plan, RunSpec
from algan_ad.benchmark.plan_check import problems, runs
from algan_ad.benchmark.plan_files import read_folder_plan, read_plan, write_folder_plan
from algan_ad.benchmark.shipped import shipped
from algan_ad.benchmark.sources import Sources
from algan_ad.runtime.errors import InputError

Write = Callable[[str], Path]

FULL = """
title = "All that a plan can say"
reference = "Table 5.5"
seeds = [0, 1]
protocols = ["normal-only", "thesis"]
[settings]
epochs = 64
hidden = 32
[[methods]]
name = "algan-image"
label = "wide"
settings = { width = 32, epochs = 512 }
[[methods]]
name = "algan-image"
label = "narrow"
data = ["bottles"]
[[data]]
name = "mvtec-ad"
label = "bottles"
categories = ["bottle", "cable"]
settings = { max_test = 40 }
[[data]]
name = "mtd"
[small]
seeds = [7]
settings = { epochs = 2 }
data_settings = { max_train = 10 }
method_settings = { narrow = { epochs = 3 } }
[thesis]
"wide|bottle" = "0.9 ± 0.1"
"""
NOWHERE = Sources(None, look=False)


def _specs(plan: Plan) -> list[RunSpec]:
    return runs(plan, NOWHERE)


def test_a_plan_becomes_runs_one_seed_after_the_other(write_plan: Write) -> None:
    text = FULL.replace("hidden = 32\n", "")
    specs = _specs(read_plan(write_plan(text)).at("full"))
    # Two seeds and two protocols: "wide" on two categories and mtd, "narrow" on the two categories.
    assert len(specs) == 2 * 2 * (3 + 2)
    assert [spec.seed for spec in specs] == [0] * 10 + [1] * 10
    assert {(spec.label, spec.dataset, spec.category) for spec in specs} == {
        ("wide", "mvtec-ad", "bottle"), ("wide", "mvtec-ad", "cable"), ("wide", "mtd", None),
        ("narrow", "mvtec-ad", "bottle"), ("narrow", "mvtec-ad", "cable"),
    }  # fmt: skip
    settings = {spec.label: spec.settings for spec in specs}
    assert settings == {"wide": {"width": 32, "epochs": 512}, "narrow": {"epochs": 64}}
    assert {spec.dataset: spec.data_settings for spec in specs} == {"mvtec-ad": {"max_test": 40}, "mtd": {}}


def test_the_small_form_goes_over_everything_but_what_it_does_not_name(write_plan: Write) -> None:
    specs = _specs(read_plan(write_plan(FULL.replace("hidden = 32\n", ""))).at("small"))
    assert {spec.seed for spec in specs} == {7}
    assert {spec.scale for spec in specs} == {"small"}
    assert {spec.label: spec.settings for spec in specs} == {
        "wide": {"width": 32, "epochs": 2},
        "narrow": {"epochs": 3},
    }
    assert {spec.dataset: spec.data_settings for spec in specs} == {
        "mvtec-ad": {"max_test": 40, "max_train": 10},
        "mtd": {"max_train": 10},
    }


def test_lists_of_the_small_form_replace_the_others(write_plan: Write, data: Path) -> None:
    more = (
        FULL.split("[small]", maxsplit=1)[0].replace("hidden = 32", "")
        + """
[[small.methods]]
name = "algan-vector"
settings = { epochs = 9 }
[[small.data]]
name = "made"
[small]
protocols = ["normal-only"]
settings = { epochs = 2 }
"""
    )
    specs = runs(read_plan(write_plan(more)).at("small"), Sources(data))
    # What the small form says of a method of its own is the last word.
    assert [(spec.method, spec.dataset, spec.settings) for spec in specs] == [
        ("algan-vector", "made", {"epochs": 9})
    ] * 2


GRID = """
title = "Every combination"
seeds = [0]
[[methods]]
name = "knn"
label = "k = {k} | {distance}"
settings = { standardise = false }
grid = { k = [1, 5], distance = ["mean", "largest"] }
[[methods]]
name = "algan-vector"
label = "σ = {sigma:g}"
grid = { sigma = [2.0] }
[[data]]
name = "mvtec-features"
[small]
method_settings = { "k = 5 | mean" = { k = 7 } }
"""


def test_a_grid_is_every_combination_and_nothing_else(write_plan: Write) -> None:
    """The keys are those of the same methods written out, so that results are found again."""
    written = GRID.split("[[methods]]", maxsplit=1)[0] + "".join(
        f'[[methods]]\nname = "knn"\nlabel = "k = {k} | {distance}"\n'
        f'settings = {{ distance = "{distance}", standardise = false, k = {k} }}\n'
        for k in (1, 5)
        for distance in ("mean", "largest")
    )
    written += '[[methods]]\nname = "algan-vector"\nlabel = "σ = 2"\nsettings = { sigma = 2.0 }\n[[data]]'
    written += GRID.split("[[data]]")[1]
    grid, by_hand = read_plan(write_plan(GRID)), read_plan(write_plan(written))
    assert [spec.key for spec in _specs(grid.at("full"))] == [spec.key for spec in _specs(by_hand.at("full"))]
    assert [spec.settings["k"] for spec in _specs(grid.at("small")) if spec.label == "k = 5 | mean"] == [7] * 15


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('label = "k = {k} | {distance}"', 'label = "{kk}"', r"methods\.0: .*'{kk}': expected names of the grid"),
        ("standardise = false", "k = 3", r"methods\.0: .*k: in the grid and in the settings"),
        ("[2.0]", "[]", r"methods\.1\.grid\.sigma: .*at least 1 item"),
        (" | {distance}", "", "2 entries with the label 'k = 1'"),
    ],
)
def test_mistakes_in_a_grid(write_plan: Write, before: str, after: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        runs(read_plan(write_plan(GRID.replace(before, after))), NOWHERE)


def test_a_shared_setting_goes_to_the_methods_that_have_it(write_plan: Write) -> None:
    with pytest.raises(InputError, match="none of the methods has a setting 'hidden'"):
        _specs(read_plan(write_plan(FULL)).at("full"))


def test_the_key_of_a_run_names_what_it_depends_on_and_nothing_else(write_plan: Write) -> None:
    spec = RunSpec(
        plan="p", method="knn", label="k", settings={"a": 1, "b": 2}, dataset="d", data_settings={}, category=None,
        seed=0, protocol="normal-only", scale="full",
    )  # fmt: skip
    assert spec.key == "72e78311dfa623ae"
    assert spec.model_copy(update={"settings": {"b": 2, "a": 1}}).key == spec.key
    assert spec.model_copy(update={"seed": 1}).key != spec.key


def test_everything_that_is_wrong_is_told_at_once(write_plan: Write, data: Path) -> None:
    path = write_plan("""
title = "wrong"
seeds = [0, -1, 0]
sedes = [1]
page = "tou"
[[methods]]
name = "algan-imag"
[[methods]]
name = "algan-vector"
settings = { hiden = 3, z_dim = 0, epochs = "many" }
data = ["nowhere"]
[[methods]]
nam = "knn"
[[methods]]
name = "algan-feature"
label = "algan-vector"
settings = { backbone_weights = "weights/lost.safetensors" }
[[data]]
name = "mvtec-ad"
categories = ["bottel"]
[[data]]
name = "coil-10"
[[data]]
name = "mtd"
settings = { max_train = "few" }
[small.method_settings.ghost]
epochs = 1
""")
    with pytest.raises(InputError) as error:
        read_plan(path, Sources(data))
    for expected in (
        "sedes", "seeds: -1", "twice", "page 'tou': not known (did you mean 'toy'?)",
        "'algan-imag': not known (did you mean 'algan-image'?)", "has no setting 'hiden' (did you mean 'hidden'?)",
        "z_dim: Input should be greater than or equal to 1 (found 0)", "epochs: Input should be a valid integer",
        "data 'nowhere': no data set has this label", "methods.2.name: Field required", "methods.2.nam: Extra",
        "2 entries with the label 'algan-vector'", "backbone_weights: weights/lost.safetensors: no such file",
        "no category 'bottel'", "'mvtec-ad': missing", "'coil-10': not known", "did you mean 'coil-100'?",
        "data.2.settings.max_train", "'mtd': missing", "no method has the label 'ghost'",
    ):  # fmt: skip
        assert expected in str(error.value), expected


def test_a_method_and_its_data_must_go_together(write_plan: Write, data: Path) -> None:
    text = (
        'title = "t"\nseeds = [0]\nprotocols = ["thesis"]\n[[methods]]\nname = "algan-image"\n'
        '[[data]]\nname = "made"\nsettings = { grayscale = true }\n'
        '[[data]]\nname = "demo"\nsettings = { calibration_fraction = 0 }\n'
    )
    with pytest.raises(InputError) as error:
        runs(read_plan(write_plan(text)), Sources(data))
    for expected in ("takes images, 'made' holds vectors", "divides images only", "grayscale: for images", "need more"):
        assert expected in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "title: Field required"),
        ("title = 'empty'\nseeds = []", "methods: none"),
        ("title = 'empty'\nseeds = []", "data: none"),
        ("title = 'empty'\nseeds = []", "seeds: none"),
        ("title = ", "not a TOML file"),
    ],
)
def test_an_empty_plan_is_refused(write_plan: Write, text: str, expected: str) -> None:
    path = write_plan(text)
    with pytest.raises(InputError, match=expected):
        runs(read_plan(path), NOWHERE)


def test_an_unknown_plan_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'smoke'"):
        read_plan("smok")
    with pytest.raises(InputError, match="no such file"):
        read_plan("absent.toml")


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("scale", ["full", "small"])
def test_shipped_plans_are_sound(name: str, scale: str) -> None:
    wrong = problems(read_plan(name).at(scale), NOWHERE)
    assert [each for each in wrong if "no such file" not in each] == []  # weights are not part of the package


def test_a_folder_keeps_its_plan_and_the_seeds_of_earlier_calls(
    write_plan: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = read_plan(write_plan(FULL.replace("hidden = 32\n", ""))).at("small")
    write_folder_plan(tmp_path, plan)
    assert [spec.key for spec in _specs(read_folder_plan(tmp_path))] == [spec.key for spec in _specs(plan)]
    write_folder_plan(tmp_path, plan.model_copy(update={"seeds": (3,)}))
    assert read_folder_plan(tmp_path).seeds == (3, 7)
    write_folder_plan(tmp_path, plan.model_copy(update={"seeds": (4,), "title": "another"}))
    assert read_folder_plan(tmp_path).seeds == (3, 4, 7)  # a title makes no other runs
    write_folder_plan(tmp_path, plan.model_copy(update={"seeds": (3,), "settings": {"epochs": 5}}))
    assert read_folder_plan(tmp_path).seeds == (3,)
    assert "its page was of plan" in capsys.readouterr().err


def test_a_broken_plan_of_a_folder_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("[1]")
    with pytest.raises(InputError, match=r"plan\.json"):
        read_folder_plan(tmp_path)


SOUND = """
title = "t"
protocols = ["pyod"]
seeds = [0]
[[methods]]
name = "kde"
[[data]]
name = "pyod"
categories = ["cardio"]
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SOUND + "[small.method_settings]\nkdee = { bandwidth = 3.0 }\n", "did you mean 'kde'"),
        (SOUND + '[thesis]\nkde = "0.9"\n', "thesis: 'kde'; expected"),
        (SOUND.replace('["pyod"]', '["pyod", "pyod"]'), "protocols: .* holds a value twice"),
        (SOUND.replace('["pyod"]', '["pyod", "normal-only"]'), r"data 'pyod'.*anomalies are among .*\['pyod'\]"),
        (SOUND.replace('protocols = ["pyod"]\n', ""), "data 'pyod': .*anomalies are among"),
        (SOUND.replace('"pyod"\ncat', '"tabular"\ncat'), "data 'tabular': protocol pyod is for the data set pyod only"),
        (SOUND + '[[data]]\nname = "pyod"\nlabel = "again"\ncategories = ["cardio"]\n', "names 1 runs more than once"),
        (SOUND.replace("[0]", str([f"s{i}" for i in range(12)])), "seeds.11"),
    ],
)
def test_mistakes_in_a_plan_that_is_sound_else(write_plan: Write, text: str, expected: str) -> None:
    path = write_plan(text)
    with pytest.raises(InputError, match=expected):
        runs(read_plan(path).at("small"), NOWHERE)


def test_files_of_settings_are_found_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    weights = tmp_path / "weights" / "net.safetensors"
    weights.touch()
    sources = Sources(tmp_path / "data")
    assert sources.find_file(Path("weights/net.safetensors")) == weights
    assert sources.find_file(weights) == weights
    assert sources.find_file(Path("net.safetensors")) is None
