"""The files of the page: here, unchanged, small, and without a way out; choices of the browser."""

import hashlib
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from algan_ad.service.page.site import STATIC

VENDOR = STATIC / "vendor"
OWN = [path for path in STATIC.iterdir() if path.is_file()]


def test_the_files_of_others_are_those_of_their_packages() -> None:
    noted = dict(re.findall(r"\| (\S+) \| ([0-9a-f]{64}) \|", (VENDOR / "README.md").read_text()))
    found = {path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in VENDOR.glob("*/*")}  # fmt: skip
    assert found == noted
    assert max(path.stat().st_size for path in VENDOR.glob("*/*")) < 512 * 1024


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_our_files_lead_nowhere_else(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?:|@import|url\(|eval\(|innerHTML", text) == []


def test_every_file_that_a_page_names_is_there(client: TestClient) -> None:
    for page in ("/", "/trends", "/sign-in"):
        named = re.findall(r'(?:src|href)="(/static/[^"#?]+)', client.get(page).text)
        assert len(named) > 5
        assert {client.get(each).status_code for each in named} == {200}
    icons = set(re.findall(r'id="([\w-]+)"', (STATIC / "icons.svg").read_text()))
    assert {"ok", "anomalous", "not-inspected", "defect", "good", "unsure"} <= icons
    assert client.get("/static/../site.py").status_code == 404


@pytest.mark.parametrize(
    ("header", "language"), [("de-AT,de;q=0.9,en;q=0.8", "de"), ("fr,en;q=0.5", "en"), ("fr", "en"), ("", "en")]
)
def test_the_language_is_that_of_the_browser(client: TestClient, header: str, language: str) -> None:
    assert f'lang="{language}"' in client.get("/sign-in", headers={"Accept-Language": header}).text


def test_choices_are_remembered(client: TestClient) -> None:
    for name, value in (("language", "de"), ("theme", "dark"), ("keys", "off")):
        assert client.put(f"/preferences/{name}/{value}").headers["hx-refresh"] == "true"
    page = client.get("/").text
    assert [each in page for each in ('lang="de"', 'data-theme="dark"', 'data-keys="off"')] == [True] * 3
    assert client.put("/preferences/theme/pink").status_code == 404
    assert client.put("/preferences/shoes/dark").status_code == 404
