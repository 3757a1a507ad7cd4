"""`algan plan > plan.json`, an editor, `algan train --plan plan.json`: in processes of their own, as a user does it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from algan_ad import cli

ALGAN = f"{shlex.quote(sys.executable)} -m algan_ad.cli"


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False,
        timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_from_a_folder_to_a_model_by_way_of_a_plan(parts: Path, tmp_path: Path) -> None:
    """The folder has blanks and umlauts, one picture is cut short, and nobody names a method."""
    whole = (parts / "train/good/000.png").read_bytes()
    (parts / "train/good/cut short.png").write_bytes(whole[:-300])
    folder = shlex.quote(parts.name)
    planned = shell(f"{ALGAN} plan {folder} --false-alarm-rate 0.2 > 'plan ä.json'", tmp_path)
    assert (planned.returncode, planned.stdout) == (0, "")
    assert "--method algan-patch: images; " in planned.stderr
    plan = json.loads((tmp_path / "plan ä.json").read_text())
    plan["settings"]["prototypes"]["value"] = 16
    (tmp_path / "plan ä.json").write_text(json.dumps(plan, indent=2))

    trained = shell(f"{ALGAN} train {folder} --plan 'plan ä.json' --out 'm ö' --epochs 8 --json", tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["method"] == "algan-patch"
    info = json.loads(shell(f"{ALGAN} info 'm ö' --json", tmp_path).stdout)
    origins = {name: (entry["value"], entry["origin"]) for name, entry in info["plan"].items()}
    assert origins["prototypes"] == (16, "user")
    assert origins["false_alarm_rate"] == (0.2, "user")
    assert origins["epochs"] == (8, "user")  # although it is the default
    assert origins["image_size"] == (128, "derived")
    assert "hold no more than that shows" in shell(f"COLUMNS=200 {ALGAN} info 'm ö'", tmp_path).stdout


def test_options_are_those_of_the_planned_method(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["plan", str(table), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    (tmp_path / "p.json").write_text(out)
    assert cli.run(["train", "x", f"--plan={tmp_path / 'p.json'}", "--help"]) == 0
    assert "--discriminator" in capsys.readouterr().out
    assert cli.run(["plan", str(table), "--resume"]) == 2  # a plan is no run
