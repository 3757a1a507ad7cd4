"""The live view: only what is newer is sent, and what could not be recorded shows, too."""

import re

import pytest
import structlog
from fastapi.testclient import TestClient

from algan_ad.service.inspection.part import Part
from algan_ad.service.page.words import texts
from algan_ad.service.station import Station
from service.conftest import Open, client_of, grey

EN = texts("en")


def number(page: str) -> int:
    """The number of the part that a page shows."""
    found = re.search(r"/live\?after=(-?\d+)", page)
    assert found is not None
    return int(found[1])


def test_nothing_is_sent_until_the_next_part(station: Station, client: TestClient) -> None:
    first = client.get("/")
    assert EN["live.none"] in first.text
    assert client.get(f"/live?after={number(first.text)}").status_code == 204
    station.inspector.inspect([Part(grey(200), "A-1")])
    second = client.get(f"/live?after={number(first.text)}")
    assert ("A-1" in second.text, EN["verdict.anomalous"] in second.text) == (True, True)
    assert client.get(f"/live?after={number(second.text)}").status_code == 204
    assert client.get("/live").status_code == 200


def test_asking_for_news_is_no_line_of_the_log(client: TestClient) -> None:
    with structlog.testing.capture_logs() as lines:
        for path in ("/live?after=0", "/alarms?shown=", "/live?after=x", "/queue"):
            client.get(path)
    said = [(line["path"], line["status"]) for line in lines if line["log_level"] == "info"]
    assert said == [("/live", 422), ("/queue", 200)]


def test_a_part_that_could_not_be_recorded_is_not_ok(open_station: Open) -> None:
    station = open_station(free_disk_bytes=2**60)
    client = client_of(station)
    station.inspector.inspect([Part(grey(50), "A-1")])
    page = client.get("/").text
    assert [EN[f"verdict.{each}"] in page for each in ("not inspected", "ok")] == [True, False]
    assert EN["cause.disk"] in page


def test_a_restart_shows_the_parts_before_it(open_station: Open) -> None:
    open_station().inspector.inspect([Part(grey(50), "A-1"), Part(grey(60), "A-2")])
    page = client_of(open_station()).get("/").text
    assert page.index("A-2") < page.index("A-1")


@pytest.mark.parametrize(("score", "shown"), [(60, "this part 60.00"), (200, EN["histogram.beyond"])])
def test_the_score_stands_among_those_of_good_parts(
    station: Station, client: TestClient, score: int, shown: str
) -> None:
    station.inspector.inspect([Part(grey(score))])
    page = client.get("/").text
    assert shown in page
    assert EN["histogram.text"].format(score=f"{score:#.4g}".rstrip("."), threshold="95.00", n=99) in page
