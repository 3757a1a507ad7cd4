"""POST /v1/inspect, history, pictures, models, metrics."""

import pytest
from fastapi.testclient import TestClient

from algan_ad.service.station import Station

from .conftest import PLATES, Brightness, Open, Shelf, brightness, client_of, grey


def test_raw_bytes_and_a_form_give_the_same(client: TestClient) -> None:
    raw = client.post("/v1/inspect?part=p1", content=grey(96), headers={"Content-Type": "image/png"})
    form = client.post("/v1/inspect", files={"image": grey(96)}, data={"part": "p1"})
    assert raw.status_code == form.status_code == 200
    assert form.json() == raw.json() | {"repeated": True}
    assert (raw.json()["verdict"], raw.json()["threshold_version"]) == ("anomalous", 1)


@pytest.mark.parametrize(
    ("change", "cause", "status"), [(b"nonsense", "image", 422), ("error", "error", 500), ("floor", "disk", 503)]
)
def test_no_failure_has_status_200(open_station: Open, shelf: Shelf, change: object, cause: str, status: int) -> None:
    client = client_of(open_station(free_disk_bytes=2**60 if change == "floor" else 0))
    scorer = shelf.models[PLATES].scorer
    assert isinstance(scorer, Brightness)
    scorer.error = RuntimeError() if change == "error" else None
    answer = client.post("/v1/inspect", content=change if isinstance(change, bytes) else grey(50))
    assert (answer.status_code, answer.json()["verdict"], answer.json()["cause"]) == (status, "not inspected", cause)


def test_conflict_and_unknown_model(client: TestClient) -> None:
    client.post("/v1/inspect?part=p1", content=grey(50))
    assert client.post("/v1/inspect?part=p1", content=grey(51)).status_code == 409
    assert client.post("/v1/inspect?model=bolts", content=grey(51)).status_code == 404


def test_a_batch_answers_for_each_image(client: TestClient) -> None:
    files = [("image", grey(50)), ("image", b"nonsense"), ("image", grey(200))]
    answer = client.post("/v1/inspect/batch", files=files)
    assert [each["verdict"] for each in answer.json()["inspections"]] == ["ok", "not inspected", "anomalous"]
    assert client.post("/v1/inspect/batch", files=[("image", grey(50))] * 17).status_code == 400


def test_a_batch_with_part_numbers_is_inspected_once(client: TestClient) -> None:
    files = [("image", grey(value)) for value in (50, 51, 52)]
    first, again = (
        client.post("/v1/inspect/batch", files=files, data={"part": ["p1", "", "p3"]}).json()["inspections"]
        for _ in range(2)
    )
    assert [each["part"] for each in first] == ["p1", None, "p3"]
    assert [each["repeated"] for each in again] == [True, False, True]
    assert [again[i]["id"] for i in (0, 2)] == [first[i]["id"] for i in (0, 2)]
    few = client.post("/v1/inspect/batch", files=files, data={"part": ["p1", "p2"]})
    assert (few.status_code, "each of the 3 images, found 2" in few.json()["detail"]) == (422, True)
    assert client.post("/v1/inspect/batch", files=files[:1], data={"part": "a\nb"}).status_code == 422


@pytest.mark.parametrize("query", ["part=%00", "part=", "part=" + "x" * 201, "part=a%0Ab"])
def test_odd_part_numbers_are_refused(client: TestClient, query: str) -> None:
    assert client.post(f"/v1/inspect?{query}", content=grey(50)).status_code == 422


def test_requests_without_image(client: TestClient) -> None:
    assert client.post("/v1/inspect").status_code == 422
    assert client.post("/v1/inspect", files={"picture": grey(50)}).status_code == 422
    broken = client.post("/v1/inspect", content=b"--x\r\n", headers={"Content-Type": "multipart/form-data"})
    assert broken.status_code == 400


@pytest.mark.parametrize(
    "path", ["inspections/2147483648", "inspections?before=2147483648", "queue?after=2147483648",
             "audit-log?before=2147483648", "models/plates/thresholds/2147483648/preview"],
)  # fmt: skip
def test_an_id_that_no_database_holds(client: TestClient, path: str) -> None:
    assert client.get(f"/v1/{path}").status_code == 422


@pytest.mark.parametrize("name", ["part", "model", "source", "since", "until"])
def test_a_filter_that_no_database_holds(client: TestClient, name: str) -> None:
    assert client.get(f"/v1/inspections?{name}=a%00b").status_code == 422


def test_pages_and_filters(client: TestClient) -> None:
    for value in (50, 200, 51, 201, 52):
        client.post("/v1/inspect", content=grey(value))
    first = client.get("/v1/inspections?limit=2").json()
    second = client.get(f"/v1/inspections?limit=2&before={first['next']}").json()
    last = client.get(f"/v1/inspections?limit=2&before={second['next']}").json()
    assert [[each["id"] for each in page["inspections"]] for page in (first, second, last)] == [[5, 4], [3, 2], [1]]
    assert last["next"] is None
    flagged = client.get("/v1/inspections?verdict=anomalous&after=0").json()["inspections"]
    assert [each["id"] for each in flagged] == [2, 4]
    assert client.get("/v1/inspections?since=2999").json()["inspections"] == []
    assert client.get("/v1/inspections?verdict=bad").status_code == 422
    assert client.get("/v1/inspections/3").json()["score"] == 51


def test_image_and_map(client: TestClient, station: Station) -> None:
    given = client.post("/v1/inspect", content=grey(50)).json()
    image, picture = client.get(given["image_url"]), client.get(given["map_url"])
    assert (image.content, image.headers["content-type"]) == (grey(50), "image/png")
    assert image.headers["content-security-policy"] == "sandbox"
    assert picture.content.startswith(b"\x89PNG")
    assert client.get("/v1/inspections/9/image").status_code == 404
    failed = client.post("/v1/inspect", content=b"nonsense").json()
    assert client.get(f"/v1/inspections/{failed['id']}/image").status_code == 404


def test_a_model_is_replaced_while_it_serves(client: TestClient, shelf: Shelf) -> None:
    shelf.models[PLATES] = brightness(seed=1)
    assert client.post("/v1/models/plates/reload").json()["version"] == 2
    shelf.models.clear()
    assert client.post("/v1/models/plates/reload").status_code == 422
    assert client.post("/v1/models/bolts/reload").status_code == 404
    assert [each["version"] for each in client.get("/v1/models").json()] == [2]
    assert client.get("/v1/audit-log").json()[0]["action"] == "replace model"


def test_metrics(client: TestClient) -> None:
    client.post("/v1/inspect", content=grey(50))
    text = client.get("/metrics").text
    for line in (
        'algan_inspections_total{cause="",model="plates",verdict="ok"} 1.0',
        'algan_stage_seconds_count{stage="commit"}',
        'algan_score_quantile{model="plates",quantile="0.5"} 50.0', "algan_disk_free_bytes",
    ):  # fmt: skip
        assert line in text


def test_an_error_of_ours_shows_no_traceback(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bytes:
        raise RuntimeError("secret")

    monkeypatch.setattr(station, "figures", fail)
    answer = client_of(station).get("/metrics")
    assert (answer.status_code, "secret" in answer.text) == (500, False)


def test_the_description_has_every_address_with_examples(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    assert {"/v1/inspect", "/v1/inspections", "/v2/models/{name}/infer", "/metrics"} <= set(description["paths"])
    answer = description["paths"]["/v1/inspect"]["post"]["responses"]["200"]["content"]["application/json"]
    assert answer["example"]["verdict"] == "anomalous"
