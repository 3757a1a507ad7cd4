"""What people do on the page: judge and undo, look things up, move the threshold, close alarms."""

import re
from io import BytesIO

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from algan_ad.service.inspection.part import Part
from algan_ad.service.page.words import texts
from algan_ad.service.record.alarms import raise_alarm
from algan_ad.service.station import Station
from service.conftest import Open, Shelf, client_of, grey

EN = texts("en")


@pytest.fixture
def audited(open_station: Open) -> Station:
    """A station of which every part is audited: 20 good ones, then a flagged one."""
    station = open_station(audit_share=1)
    station.inspector.inspect([Part(grey(value), f"N{value}") for value in (*range(40, 60), 200)])
    return station


@pytest.fixture
def client(audited: Station) -> TestClient:
    return client_of(audited)


def test_the_queue_goes_on_and_back(client: TestClient, audited: Station) -> None:
    assert "N40" in client.get("/queue").text
    second = client.post("/queue/1/good", data={"trail": ""}).text
    assert ("N41" in second, 'name="trail" value="1"' in second) == (True, True)
    third = client.post("/queue/2/defect", data={"trail": "1"}).text
    assert 'name="trail" value="1 2"' in third
    assert client.post("/queue/undo", data={"trail": "9999999999"}).status_code == 422  # an id that no database holds
    back = client.post("/queue/undo", data={"trail": "1 2"}).text
    assert ("N41" in back, 'name="trail" value="1"' in back) == (True, True)
    assert client.get("/v1/inspections/2").json()["judgement"] is None
    assert client.get("/v1/inspections/1").json()["judgement"] == "good"


def test_the_queue_shows_what_would_lead_the_judgement_to_nobody(client: TestClient) -> None:
    flagged, audited = client.post("/queue/1/good").text, client.get("/queue").text
    for number in range(2, 21):
        client.post(f"/queue/{number}/good")
    flagged = client.get("/queue").text
    assert "N200" in flagged
    blank = [re.sub(r"N\d+|/\d+/|\d{4}-\S+ ?\S* UTC|datetime=\S+|\d+ waiting|\s+|<img class=.ahead.*?>", "", each)
             for each in (audited, flagged)]  # fmt: skip
    assert blank[0] == blank[1]
    for word in (EN["verdict.anomalous"], EN["part.score"], "200.0"):
        assert word not in flagged


def test_a_wrong_trail_is_refused(client: TestClient) -> None:
    assert client.post("/queue/undo", data={"trail": "<b>"}).status_code == 422
    assert client.post("/queue/undo", data={"trail": ""}).status_code == 200


def test_a_part_is_judged_in_the_history(client: TestClient) -> None:
    assert 'aria-pressed="true"' in _judging(client.post("/history/3/unsure").text)
    assert 'aria-pressed="true"' not in _judging(client.post("/history/3/undo").text)


def _judging(page: str) -> str:
    return page.split('class="judging"')[1].split("</div>", maxsplit=1)[0]


def test_the_history_is_filtered_and_paged(client: TestClient, audited: Station) -> None:
    def numbers(query: str) -> list[str]:
        return re.findall(r'class="who">(\w+)<', client.get(f"/history?{query}").text)

    assert numbers("verdict=anomalous") == ["N200"]
    assert numbers("part=N41&verdict=&judgement=") == ["N41"]
    assert numbers("before=3") == ["N41", "N40"]
    day = client.get("/v1/inspections/1").json()["at"][:10]
    assert len(numbers(f"since={day}&until={day}")) == 21  # the last day included
    assert numbers("until=2020-01-01") == []
    audited.inspector.inspect([Part(grey(50)) for _ in range(40)])
    older = re.search(r'href="(/history\?[^"]*before=\d+)"', client.get("/history?verdict=ok").text)
    assert older is not None
    assert "verdict=ok" in older[1]
    assert len(numbers(older[1].split("?")[1].replace("&amp;", "&"))) == 60 - 48


def test_the_threshold_from_proposal_to_roll_back(client: TestClient) -> None:
    few = client.post("/threshold", data={"percent": "", "reason": ""})
    assert (few.status_code, "no audited part" in few.text) == (422, True)
    for number in range(1, 20):
        client.post(f"/queue/{number}/good")
    shown = client.post("/threshold?model=plates", data={"percent": "10", "reason": "<new lamp>"})
    assert shown.url.path == "/threshold/2"
    assert EN["preview.count"].format(n=21, then=3, now=1, now_version=1) in shown.text
    assert shown.text.count('class="tile"') == 2
    assert EN["preview.judged_good"].format(n=1) in shown.text
    after = client.post("/threshold/2/approve?model=plates", data={"reason": "seen"})
    assert after.url.path == "/threshold"
    assert "&lt;new lamp&gt;" in after.text
    assert [each["in_use"] for each in client.get("/v1/models/plates/thresholds").json()] == [False, True]
    client.post("/threshold/roll-back", data={"reason": ""})
    assert [each["in_use"] for each in client.get("/v1/models/plates/thresholds").json()] == [True, False]


def test_alarms_show_everywhere_until_somebody_closes_them(client: TestClient, audited: Station) -> None:
    assert client.get("/alarms?shown=").status_code == 204
    audited.record.write(lambda session: raise_alarm(session, "light", "darker").id)
    for path in ("/", "/queue", "/alarms?shown="):
        assert EN["alarm.light"] in client.get(path).text
    assert client.get("/alarms?shown=1").status_code == 204
    assert EN["alarm.light"] not in client.post("/alarms/1/acknowledge").text


def test_a_model_is_loaded_again(client: TestClient, shelf: Shelf) -> None:
    assert client.post("/models/plates/reload").url.path == "/models"
    shelf.models.clear()
    failed = client.post("/models/plates/reload")
    assert (failed.status_code, "no such model folder" in failed.text) == (422, True)


def test_the_status_says_when_nothing_is_inspected(client: TestClient, audited: Station) -> None:
    assert EN["status.ready"] in client.get("/status").text
    audited.draining = True
    assert EN["status.not_ready"] in client.get("/status").text


@pytest.mark.parametrize(("mode", "kind"), [("I;16", "tiff"), ("L", "bmp"), ("RGBA", "png")])
def test_pictures_are_such_that_browsers_show_them(client: TestClient, audited: Station, mode: str, kind: str) -> None:
    buffer = BytesIO()
    Image.new(mode, (900, 600)).save(buffer, kind)
    audited.inspector.inspect([Part(buffer.getvalue())])
    answer = client.get("/pictures/22/small")
    assert (answer.headers["content-type"], Image.open(BytesIO(answer.content)).size) == ("image/jpeg", (256, 171))
    assert client.get("/pictures/22/huge").status_code == 422


def test_a_map_is_clear_where_a_part_is_as_good_parts_are(client: TestClient, audited: Station) -> None:
    half = np.full((8, 8, 3), 45, np.uint8)
    half[:, 4:] = 250
    buffer = BytesIO()
    Image.fromarray(half).save(buffer, "png")
    audited.inspector.inspect([Part(buffer.getvalue())])
    seen = np.asarray(Image.open(BytesIO(client.get("/pictures/22/map").content)))[..., 3]
    assert (seen[:, 0].max(), seen[:, -1].min()) == (0, 255)


def test_what_was_not_kept_is_missing(client: TestClient, audited: Station) -> None:
    audited.inspector.inspect([Part(b"nonsense")])
    assert [client.get(f"/pictures/22/{each}").status_code for each in ("small", "map")] == [404, 404]
