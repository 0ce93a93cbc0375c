"""An upload that was interrupted goes on, even in another process, and nothing is sent or made twice."""

import json

import pytest

from memory_driver import URL, MemoryDriver, answered, image, link, problem, scripted
from played_servers import DATA, Parts, upload
from tintype_client import errors
from tintype_client.core.effects import Broken
from tintype_client.core.records import record_name
from tintype_client.sources import BytesSource

NAME = record_name(URL, BytesSource(DATA, name=None), {}) or ""
"""What the upload of `DATA` is kept under."""


def test_an_upload_that_was_interrupted_goes_on_with_the_parts_that_are_missing() -> None:
    server = Parts(1000)
    server.fails = {5: [None] * 7}
    first = MemoryDriver(server)
    with pytest.raises(errors.ConnectionFailed):
        first.run(upload(method="multipart", resume=True))
    assert not first.asked("DELETE", "/upl_1")
    again = MemoryDriver(server)
    again.kept = first.kept
    again.run(upload(method="multipart", resume=True))
    assert not again.asked("POST", "/uploads"), "nothing is reserved twice"
    assert len([request for request in again.requests if request.method == "PUT"]) == 7
    assert len(server.completed) == 11
    assert again.kept == {}


def test_an_upload_that_is_over_begins_anew() -> None:
    server = Parts(1000)
    server.fails = {1: [None] * 7}
    first = MemoryDriver(server)
    with pytest.raises(errors.ConnectionFailed):
        first.run(upload(method="multipart", resume=True))
    server.state = "expired"
    again = MemoryDriver(server)
    again.kept = first.kept
    again.run(upload(method="multipart", resume=True))
    assert len(again.asked("POST", "/uploads")) == 1


def test_an_upload_that_had_arrived_before_the_restart_is_only_waited_for() -> None:
    server = Parts(1000)
    server.state = "received"
    again = MemoryDriver(server)
    again.kept = {NAME: json.dumps({"version": 1, "key": "k", "upload": link("multipart")})}
    again.run(upload(method="multipart", resume=True))
    assert {request.method for request in again.requests} == {"GET"}


def test_a_put_that_was_interrupted_gets_another_address_for_the_same_upload() -> None:
    old = json.dumps({"version": 1, "key": "first", "upload": link("put", url=f"{URL}/over")})
    shown = {"id": "upl_1", "state": "requested", "parts": []}
    driver = MemoryDriver(
        scripted(
            answered(200, shown), answered(201, link("put", url=f"{URL}/new")), answered(200), answered(200, image())
        )
    )
    driver.kept = {NAME: old}
    driver.run(upload(resume=True))
    _, reserved, sent, _ = driver.requests
    assert reserved.headers["idempotency-key"] == "first"
    assert sent.url == f"{URL}/new"


def test_a_small_file_keeps_its_key_over_a_restart_so_that_it_is_not_there_twice() -> None:
    first = MemoryDriver(scripted(*[Broken] * 7))
    with pytest.raises(errors.ConnectionFailed):
        first.run(upload(resume=True))
    again = MemoryDriver(scripted(answered(201, image())))
    again.kept = first.kept
    again.run(upload(resume=True))
    assert again.requests[0].headers["idempotency-key"] == first.requests[0].headers["idempotency-key"]


def test_what_the_server_refuses_for_good_is_not_kept_for_the_next_time() -> None:
    driver = MemoryDriver(scripted(problem(413, "image.too_large")))
    with pytest.raises(errors.ImageTooLarge):
        driver.run(upload(resume=True))
    assert driver.kept == {}


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"version": 2}', '{"version": 1, "key": "k", "upload": {}}', "7"])
def test_a_record_that_cannot_be_used_is_as_good_as_none(kept: str) -> None:
    driver = MemoryDriver(scripted(answered(201, image())))
    driver.kept = {NAME: kept}
    assert driver.run(upload(resume=True)).ready
