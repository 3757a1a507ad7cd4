import errno
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algan_ad.runtime import model_folder
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.runtime.files import sha256
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.model_folder import (
    SCHEMA_VERSION,
    ModelConfig,
    PlanEntry,
    read_model,
    rewrite_config,
    write_model,
)


def config(**changes: Any) -> ModelConfig:
    values = {
        "method": "algan",
        "plan": {
            "epochs": PlanEntry(value=100, origin="user"),
            "widths": PlanEntry(value=[64, {"ä": None}], origin="fixed"),
        },
        "preprocessing": Preprocessing(size=64, grayscale=True),
        "input": "image",
        "calibration": Calibration(scores=(0.1, 1 / 3), false_alarm_rate=0.5),
        "protocol": "normal-only",
        "selection": "last epoch",
        "fingerprint": {"n_images": 2, "files": {"a b ü.png": "00"}},
        "seed": 0,
        "versions": {"numpy": np.__version__},
        "training": {"seconds": 1.5, "device": "cpu"},
    }
    return ModelConfig(**(values | changes))


def tensors(fill: float = 1.0) -> dict[str, np.ndarray]:
    return {
        "weight": np.full((4, 5), fill, np.float32),
        "columns": np.arange(12.0).reshape(3, 4)[:, ::2],  # safetensors itself saves the wrong numbers
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.float16),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my models" / "schön"


@pytest.fixture
def model(folder: Path) -> Path:
    write_model(folder, config(), tensors(), {"model.onnx": b"graph"})
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def edit(folder: Path, **changes: Any) -> None:
    """Change the configuration on purpose, its checksum included."""
    path = folder / "config.json"
    values = json.loads(path.read_text()) | changes
    del values["sha256"]
    path.write_text(json.dumps(values | {"sha256": model_folder._digest(values)}))


@contextmanager
def seconds(limit: int) -> Iterator[None]:
    """Fail instead of waiting for ever."""

    def late(*_: object) -> None:
        raise AssertionError(f"still at it after {limit} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_round_trip(model: Path) -> None:
    read_config, read_tensors = read_model(model)
    assert read_config.model_copy(update={"files": {}}) == config()
    assert read_tensors.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert read_tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(read_tensors[name], tensor)
    assert (model / "model.onnx").read_bytes() == b"graph"
    assert read_config.files == {name: sha256(model / name) for name in ("model.onnx", "weights.safetensors")}
    assert names(model) == {"config.json", "model.onnx", "weights.safetensors"}


def test_vectors_without_calibration_round_trip(folder: Path) -> None:
    plain = config(input="vector", preprocessing=None, calibration=None)
    write_model(folder, plain, {})
    read_config, read_tensors = read_model(folder)
    assert (read_config.preprocessing, read_config.calibration, read_tensors) == (None, None, {})


def test_an_existing_model_is_kept_unless_overwritten(model: Path) -> None:
    (model / "metrics.jsonl").write_text("mine")
    with pytest.raises(InputError, match="already holds a model"):
        write_model(model, config(seed=1), tensors(2.0))
    assert read_model(model)[0].seed == 0
    write_model(model, config(seed=1), tensors(2.0), {"other.onnx": b"x"}, overwrite=True)
    read_config, read_tensors = read_model(model)
    assert read_config.seed == 1
    assert read_tensors["weight"][0, 0] == 2
    # The former network is gone, what is not the model's is still there.
    assert names(model) == {"config.json", "weights.safetensors", "other.onnx", "metrics.jsonl"}


def test_the_configuration_arrives_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, arrived = os.replace, []

    def noting(source: Path, target: Path) -> None:
        replace(source, target)
        if target.parent == folder:
            arrived.append(target.name)

    monkeypatch.setattr(os, "replace", noting)
    write_model(folder, config(), tensors(), {"a.onnx": b"a", "z.onnx": b"z"})
    assert sorted(arrived) == ["a.onnx", "config.json", "weights.safetensors", "z.onnx"]
    assert arrived[-1] == "config.json"


def test_a_folder_with_other_files_can_take_a_model(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("mine")
    write_model(folder, config(), tensors())
    assert (folder / "metrics.jsonl").read_text() == "mine"
    read_model(folder)


def test_a_damaged_model_can_be_overwritten(model: Path) -> None:
    (model / "config.json").write_text("{")
    write_model(model, config(seed=1), tensors(), overwrite=True)
    assert read_model(model)[0].seed == 1


def full_after(calls: int, act: Callable[..., Any], half: bool = False) -> Callable[..., Any]:
    """Run `act` until the disk is full."""
    left = iter(range(calls))

    def wrapper(*args: Any, **options: Any) -> Any:
        if next(left, None) is None:
            if half:
                act(args[0], args[1][: len(args[1]) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return act(*args, **options)

    return wrapper


@pytest.mark.parametrize(("what", "calls"), [("write", 0), ("write", 1), ("fsync", 0), ("fsync", 1), ("fsync", 2)])
@pytest.mark.parametrize("before", ["nothing", "a model"])
def test_a_full_disk_leaves_what_was_there(
    folder: Path, before: str, what: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before == "a model":
        write_model(folder, config(), tensors(), {"model.onnx": b"graph"})
    with monkeypatch.context() as patch:
        if what == "write":
            patch.setattr(Path, "write_bytes", full_after(calls, Path.write_bytes, half=True))
        else:
            patch.setattr(os, "fsync", full_after(calls, os.fsync))
        with pytest.raises(AlganError, match="disk is full"):
            write_model(folder, config(seed=1), tensors(2.0), {"model.onnx": b"new"}, overwrite=True)
    if before == "a model":
        assert read_model(folder)[0].seed == 0
        assert read_model(folder)[1]["weight"][0, 0] == 1
        assert names(folder) == {"config.json", "model.onnx", "weights.safetensors"}
    else:
        assert names(folder) == set()
        write_model(folder, config(), tensors())


STEPS = [
    (Path, "write_bytes"), (Path, "write_text"), (Path, "unlink"), (Path, "rmdir"), (Path, "mkdir"),
    (os, "fsync"), (os, "rename"), (os, "replace"),
]  # fmt: skip


def killed_at(step: int, act: Callable[[], None]) -> bool:
    """Run `act` in a process that dies before its `step`-th change to the disk; True if it died."""
    child = os.fork()
    if child == 0:
        left = iter(range(step))

        def dying(original: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any, **options: Any) -> Any:
                if next(left, None) is None:
                    os._exit(1)
                return original(*args, **options)

            return wrapper

        for owner, name in STEPS:
            setattr(owner, name, dying(getattr(owner, name)))
        try:
            act()
            os._exit(0)
        finally:
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, 1}
    return code == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a kill is played in a forked process")
def test_a_kill_at_any_step_leaves_the_old_or_the_new_model_whole(tmp_path: Path) -> None:
    seen = []
    for step in range(1000):
        folder = tmp_path / str(step)
        write_model(folder, config(seed=0), tensors(0.0), {"old.onnx": b"old", "both.onnx": b"0"})
        new = {"new.onnx": b"new", "both.onnx": b"1"}
        killed = killed_at(
            step,
            lambda: write_model(folder, config(seed=1), tensors(1.0), new, overwrite=True),  # noqa: B023
        )
        read_config, read_tensors = read_model(folder)
        seed = read_config.seed
        assert read_tensors["weight"][0, 0] == seed
        assert (folder / "both.onnx").read_text() == str(seed)
        assert (folder / "new.onnx").exists() == (seed == 1)
        assert (folder / "old.onnx").exists() == (seed == 0)
        seen.append(seed)
        write_model(folder, config(seed=2), tensors(2.0), overwrite=True)  # what was left is no obstacle
        assert read_model(folder)[0].seed == 2
        assert names(folder) == {"config.json", "weights.safetensors"}
        shutil.rmtree(folder)
        if not killed:
            break
    assert sorted(seen) == seen  # old up to the commit, new from there
    assert seen.count(0) >= 5
    assert seen.count(1) >= 5


def test_a_place_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_model(tmp_path / "file", config(), tensors())

    def denied(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        write_model(tmp_path / "m", config(), tensors())


@pytest.mark.parametrize("name", ["../up", "a/b", "c:\\d", "", ".hidden", "..", "config.json", "a b", "x\n"])
def test_file_names_stay_inside_the_folder(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not a file name"):
        write_model(folder, config(), tensors(), {name: b""})
    assert not folder.exists()


def test_nan_in_the_configuration_is_not_saved(model: Path) -> None:
    with pytest.raises(AlganError, match="finite number"):
        write_model(model, config(training={"loss": float("nan")}), tensors(), overwrite=True)
    assert read_model(model)[0].training["device"] == "cpu"


def test_no_folder_and_no_model(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such model folder"):
        read_model(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"not a model folder.*config\.json is missing"):
        read_model(tmp_path)
    with pytest.raises(InputError, match=r"no such model folder"):
        read_model(model / "config.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"calibration": {"scores": [0.1, 0.3], "false_alarm_rate": 0.5, "also_selected": False}},
        {"calibration": None},
        {"preprocessing": {"size": 32, "resize": None, "grayscale": True}},
        {"seed": 1},
        {"files": {}},
        {"sha256": "00"},
        {"sha256": None},
        {"invention": 1},
    ],
)
def test_a_configuration_that_was_edited_is_refused(model: Path, changes: dict[str, Any]) -> None:
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=r"config\.json: changed since it was saved.*algan threshold"):
        read_model(model)


def test_a_configuration_may_be_laid_out_anew(model: Path) -> None:
    path = model / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(values.items()))), encoding="utf-8")
    assert read_model(model)[0].model_copy(update={"files": {}}) == config()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, ModelConfig]:
    """A model whose configuration may be spoilt, with its configuration as it was saved."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    write_model(folder, config().with_false_alarm_rate(0.4, "über"), {})
    return folder, (folder / "config.json").read_bytes(), read_model(folder)[0]


@given(st.integers(0), st.integers(1, 255))
@settings(deadline=None, max_examples=200)
def test_one_changed_byte_is_refused_or_changes_nothing(
    saved: tuple[Path, bytes, ModelConfig], position: int, flip: int
) -> None:
    folder, content, as_saved = saved
    changed = bytearray(content)
    changed[position % len(content)] ^= flip
    (folder / "config.json").write_bytes(changed)
    with suppress(InputError):
        assert read_model(folder)[0] == as_saved


@pytest.mark.parametrize("what", ["fifo", "device", "folder"])
@pytest.mark.parametrize("name", ["config.json", "weights.safetensors", "model.onnx"])
def test_what_is_no_file_is_refused_and_never_waited_for(model: Path, name: str, what: str) -> None:
    (model / name).unlink()
    match what:
        case "fifo":
            os.mkfifo(model / name)
        case "device":
            (model / name).symlink_to("/dev/zero")
        case "folder":
            (model / name).mkdir()
    with seconds(10), pytest.raises(InputError, match=rf"{name}: .*not a file"):
        read_model(model)


def test_links_to_files_are_followed(model: Path) -> None:
    for name in names(model):
        moved = (model / name).rename(model.with_name(f"the {name}"))
        (model / name).symlink_to(moved)
    assert read_model(model)[1]["weight"][0, 0] == 1


@pytest.mark.parametrize("name", ["weights.safetensors", "model.onnx"])
@pytest.mark.parametrize("harm", ["removed", "truncated", "emptied", "altered", "a folder"])
def test_a_file_that_is_not_as_it_was_saved(model: Path, name: str, harm: str) -> None:
    path = model / name
    content = path.read_bytes()
    path.unlink()
    if harm == "a folder":
        path.mkdir()
    elif harm != "removed":
        path.write_bytes(
            {"truncated": content[:-1], "emptied": b"", "altered": content[:-1] + bytes([content[-1] ^ 1])}[harm]
        )
    with pytest.raises(InputError, match=rf"{name}: (missing from|truncated or altered)"):
        read_model(model)


def test_weights_that_were_never_safetensors(model: Path) -> None:
    (model / "weights.safetensors").write_bytes(b"\xff" * 100)
    edit(model, files={"weights.safetensors": sha256(model / "weights.safetensors")})
    with pytest.raises(InputError, match="not a safetensors file"):
        read_model(model)


def test_unreadable_weights(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.open

    def denied(self: Path, *args: Any, **options: Any) -> Any:
        if self.suffix == ".safetensors":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return original(self, *args, **options)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        read_model(model)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "null", '{"schema_version": NaN}', '{"a": 1}']
    + [f'{{"schema_version": {version}}}' for version in ('"2"', "true", "2.0", "null")],
)
def test_a_configuration_that_is_none(model: Path, text: str) -> None:
    (model / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json: not "):
        read_model(model)


def test_a_newer_schema_asks_for_an_upgrade_whatever_else_it_holds(model: Path) -> None:
    edit(model, schema_version=SCHEMA_VERSION + 1, invention=True)
    with pytest.raises(InputError, match=r"made by a newer algan-ad .*upgrade"):
        read_model(model)


@pytest.mark.parametrize("version", [1, 0, -5])
def test_an_older_schema_asks_to_train_again(model: Path, version: int) -> None:
    edit(model, schema_version=version)
    with pytest.raises(InputError, match=rf"older algan-ad \(schema {version}, .*train the model again"):
        read_model(model)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"invention": 1}, "invention"),
        ({"seed": "many"}, "seed"),
        ({"protocol": "other"}, "protocol"),
        ({"preprocessing": None}, "preprocessing belongs to"),
        ({"preprocessing": {"size": -1}}, "size"),
        ({"calibration": {"scores": [], "false_alarm_rate": 0.1}}, "scores"),
        ({"plan": {"epochs": {"value": 1, "origin": "guess"}}}, "origin"),
        ({"files": {}}, r"lists no weights\.safetensors"),
        ({"files": {"../../secret": "00"}}, "is not a file name"),
    ],
)
def test_bad_values_are_named(model: Path, changes: dict[str, Any], named: str) -> None:
    edit(model, **changes)
    with pytest.raises(InputError, match=rf"config\.json: .*{named}"):
        read_model(model)


def test_another_rate_is_recorded() -> None:
    before = config()
    once = before.with_false_alarm_rate(0.4)
    twice = once.with_false_alarm_rate(0.7, "fewer misses")
    assert before.threshold_history == ()
    assert once.calibration == Calibration(scores=(0.1, 1 / 3), false_alarm_rate=0.4)
    first, second = twice.threshold_history
    assert once.threshold_history == (first,)
    assert (first.old_rate, first.old_threshold, first.new_rate, first.new_threshold) == (0.5, 1 / 3, 0.4, 1 / 3)
    assert (second.old_rate, second.new_rate, second.new_threshold) == (0.4, 0.7, 0.1)
    assert (first.reason, second.reason) == (None, "fewer misses")
    assert first.when <= second.when <= datetime.now(UTC)
    assert once.with_false_alarm_rate(0.4) is once
    for rate in (0, 1, -1):
        with pytest.raises(InputError, match="false_alarm_rate"):
            before.with_false_alarm_rate(rate)
    with pytest.raises(InputError, match="no calibration"):
        config(calibration=None).with_false_alarm_rate(0.1)


def test_a_rewritten_configuration_leaves_the_other_files(model: Path) -> None:
    weights = model / "weights.safetensors"
    before = weights.stat()
    changed = read_model(model)[0].with_false_alarm_rate(0.7)
    rewrite_config(model, changed, {"model.onnx": b"other"})
    again = read_model(model)[0]
    assert again.threshold_history == changed.threshold_history
    assert again.files == {**changed.files, "model.onnx": sha256(model / "model.onnx")}
    assert (model / "model.onnx").read_bytes() == b"other"
    assert (weights.stat().st_ino, weights.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names(model) == {"config.json", "model.onnx", "weights.safetensors"}


def test_a_full_disk_leaves_the_configuration_as_it_was(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_model(model)[0]
    monkeypatch.setattr(os, "fsync", full_after(0, os.fsync))
    with pytest.raises(AlganError, match="disk is full"):
        rewrite_config(model, before.with_false_alarm_rate(0.7), {})
    assert read_model(model)[0] == before


def test_reading_changes_nothing(model: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in model.iterdir()}
    read_model(model)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in model.iterdir()} == before


def test_the_staging_folder_of_a_killed_save_is_no_model(folder: Path) -> None:
    staged = folder / model_folder._STAGED
    staged.mkdir(parents=True)
    (staged / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match="incomplete"):
        read_model(folder)
    write_model(folder, config(), tensors())
    assert names(folder) == {"config.json", "weights.safetensors"}
