"""The KServe v2 protocol, as its clients send it."""

import base64
import json
import re
import struct
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from algan_ad.service.station import Station

from .conftest import grey

INFER = "/v2/models/plates/infer"
PIXELS = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (95, 96)])


def tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [2, 8, 8, 3], **changes}], "id": "r1"}


def values(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {each["name"]: each["data"] for each in answer.json()["outputs"]}


def binary(request: dict[str, Any], content: bytes) -> dict[str, Any]:
    request["inputs"][0]["parameters"] = {"binary_data_size": len(content)}
    head = json.dumps(request).encode()
    return {"content": head + content, "headers": {"Inference-Header-Content-Length": str(len(head))}}


def test_pixels_and_files_as_json_and_as_binary_data(client: TestClient) -> None:
    files = [grey(95), grey(96)]
    in_json = [base64.b64encode(each).decode() for each in files]
    framed = b"".join(struct.pack("<I", len(each)) + each for each in files)
    answers = [
        client.post(INFER, json=tensor(data=PIXELS.ravel().tolist())),
        client.post(INFER, json=tensor(data=PIXELS.tolist()) | {"parameters": None}),
        client.post(INFER, **binary(tensor(), PIXELS.tobytes())),
        client.post(INFER, json=tensor(datatype="BYTES", shape=[2], data=in_json)),
        client.post(INFER, **binary(tensor(datatype="BYTES", shape=[2]), framed)),
    ]  # fmt: skip
    for i, answer in enumerate(answers):
        found = values(answer)
        assert (found["score"], found["anomalous"]) == ([95, 96], [False, True])
        assert found["inspection"] == [2 * i + 1, 2 * i + 2]
        assert (answer.json()["id"], answer.json()["model_version"]) == ("r1", "1")


@pytest.mark.parametrize(
    "request_",
    [
        {}, {"inputs": []}, tensor(), tensor(data=[1, 2]), tensor(data=[256] * 384), tensor(data=["x"] * 384),
        tensor(shape=[2, 8, 8, 1], data=[0] * 128), tensor(shape=[0, 8, 8, 3], data=[]), tensor(shape=[-1, 8, 8, 3]),
        tensor(datatype="BYTES", shape=[1], data=["§"]), tensor(datatype="BYTES", shape=[1], data=[3]),
        tensor(datatype="FP32", data=[0] * 384), tensor(data=[10**30] * 384), tensor(data=[[1], [1, 2]]),
    ],
)  # fmt: skip
def test_other_requests_are_refused(client: TestClient, request_: dict[str, Any]) -> None:
    answer = client.post(INFER, json=request_)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_an_id_that_no_answer_could_repeat(client: TestClient) -> None:
    request = tensor(shape=[1, 8, 8, 3], data=PIXELS[0].ravel().tolist()) | {"id": "\ud800"}
    assert client.post(INFER, content=json.dumps(request)).status_code == 400
    assert client.get("/v1/inspections").json()["inspections"] == []


def test_the_description_refers_to_nothing_that_is_not_there(client: TestClient) -> None:
    text = client.get("/openapi.json").text
    models = json.loads(text)["components"]["schemas"]
    assert {name.rpartition("/")[2] for name in re.findall(r'"\$ref":"([^"]*)"', text)} <= set(models)


@pytest.mark.parametrize("length", ["x", "-5", "99999", "3"])
def test_odd_lengths_are_refused(client: TestClient, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    assert client.post(INFER, content=b'{"inputs": 1}', headers=headers).status_code == 400


def test_a_part_number_is_inspected_once(client: TestClient) -> None:
    one = tensor(shape=[8, 8, 3], data=PIXELS[0].ravel().tolist()) | {"parameters": {"part": "p1", "more": 1}}
    first, again = (values(client.post(INFER, json=one))["inspection"] for _ in range(2))
    assert first == again
    assert client.get(f"/v1/inspections/{first[0]}").json()["part"] == "p1"
    other = tensor(shape=[8, 8, 3], data=PIXELS[1].ravel().tolist()) | {"parameters": {"part": "p1"}}
    assert client.post(INFER, json=other).status_code == 409


@pytest.mark.parametrize("number", ["p1", "a\nb", "x" * 201, 7, "\ud800"])
def test_a_part_number_names_one_part(client: TestClient, number: object) -> None:
    shape = [2, 8, 8, 3] if number == "p1" else [1, 8, 8, 3]
    request = tensor(shape=shape, data=PIXELS[: shape[0]].ravel().tolist()) | {"parameters": {"part": number}}
    answer = client.post(INFER, content=json.dumps(request))
    assert (answer.status_code, "parameters.part" in answer.json()["error"]) == (400, True)


def test_one_bad_image_fails_all(client: TestClient) -> None:
    data = [base64.b64encode(each).decode() for each in (grey(50), b"nonsense")]
    answer = client.post(INFER, json=tensor(datatype="BYTES", shape=[2], data=data))
    assert answer.status_code == 422
    assert "not inspected" in answer.json()["error"]


def test_models_versions_and_health(client: TestClient, station: Station) -> None:
    assert client.get("/v2/models/plates").json()["versions"] == ["1"]
    assert client.get("/v2/models/plates/versions/1/ready").json() == {"name": "plates", "ready": True}
    assert client.get("/v2/models/plates/versions/2").status_code == 404
    assert client.get("/v2/models/bolts/ready").status_code == 404
    assert client.post("/v2/models/plates/versions/2/infer", json=tensor()).status_code == 404
    assert [client.get(f"/v2/health/{each}").status_code for each in ("live", "ready")] == [200, 200]
    station.draining = True
    assert [client.get(f"/v2/health/{each}").status_code for each in ("live", "ready")] == [200, 503]
