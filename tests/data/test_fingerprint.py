import hashlib
import json
import shutil

import pytest
from PIL import Image

from algan_ad.data.fingerprint import fingerprint
from algan_ad.data.layouts import open_dataset
from algan_ad.runtime.errors import InputError


def test_content(mvtec):
    path = mvtec / "train" / "good" / "000.png"
    Image.open(path).convert("L").resize((20, 30)).save(path)
    dataset = open_dataset(mvtec)
    found = fingerprint(dataset.train, dataset.root)
    assert json.loads(json.dumps(found)) == found
    assert found["n_images"] == 10
    assert found["n_bytes"] == sum(item.path.stat().st_size for item in dataset.train)
    assert found["sizes"] == {"6x8": 9, "20x30": 1}
    assert found["modes"] == {"RGB": 9, "L": 1}
    assert found["files"]["train/good/000.png"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_follows_content_not_place(mvtec, tmp_path):
    before = fingerprint(open_dataset(mvtec).train, mvtec)
    moved = shutil.move(mvtec, tmp_path / "elsewhere")
    assert fingerprint(open_dataset(moved).train, moved) == before
    (moved / "train" / "good" / "000.png").rename(moved / "train" / "good" / "zzz.png")
    assert fingerprint(open_dataset(moved).train, moved)["sha256"] == before["sha256"]
    (moved / "train" / "good" / "001.png").unlink()
    assert fingerprint(open_dataset(moved).train, moved)["sha256"] != before["sha256"]


def test_unreadable(mvtec):
    (mvtec / "train" / "good" / "000.png").write_bytes(b"text")
    with pytest.raises(InputError, match=r"000.png: not a readable image"):
        fingerprint(open_dataset(mvtec).train, mvtec)
