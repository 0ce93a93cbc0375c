"""An upload from file to image, with the server played by the test: doors, resuming, waiting."""

import hashlib

import pytest

from memory_driver import KEY, URL, MemoryDriver, answered, content, image, link, problem, scripted
from played_servers import DATA, Parts, Tus, body_of, upload
from tintype_client import errors
from tintype_client.core.effects import Broken, Response
from tintype_client.core.upload import Wanted
from tintype_client.models import Progress

MB = 1_000_000


@pytest.mark.parametrize(
    ("size", "method"), [(0, "direct"), (8 * MB, "direct"), (9 * MB, "put"), (67 * MB, "put"), (68 * MB, "multipart")]
)
def test_the_size_decides_how_a_file_is_sent_unless_the_caller_does(size: int, method: str) -> None:
    assert Wanted(fields={}, new_key=str).method_for(size) == method
    assert Wanted(fields={}, new_key=str, method="tus").method_for(size) == "tus"


# One request


def test_a_small_file_is_one_request_with_its_digest_a_key_and_the_fields() -> None:
    driver = MemoryDriver(scripted(answered(201, image())))
    shown = driver.run(upload(title="Lisbon", tags=["a", "b"], attach_to="product:4711", wait=30))
    (request,) = driver.requests
    assert request.url == (f"{URL}/api/v1/images?title=Lisbon&tags=a&tags=b&attach_type=product&attach_id=4711")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-digest"].startswith("sha-256=:")
    assert request.headers["content-type"] == "image/jpeg"
    assert request.headers["content-length"] == str(len(DATA))
    assert request.headers["prefer"] == "wait=10"
    assert len(request.headers["idempotency-key"]) == 36
    assert content(request.body) == DATA
    assert shown.ready


def test_a_small_file_whose_answer_was_lost_is_sent_again_with_the_same_key() -> None:
    driver = MemoryDriver(scripted(Broken, problem(400, "upload.incomplete"), answered(201, image())))
    driver.run(upload())
    assert len({request.headers["idempotency-key"] for request in driver.requests}) == 1
    assert [content(request.body) for request in driver.requests] == [DATA] * 3


def test_an_option_that_there_is_not_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(TypeError, match="there is no option 'visiblity'"):
        upload(visiblity="private")


@pytest.mark.parametrize("given", ["product", ":1", "product:", ("product", ""), {"type": "product"}])
def test_an_attachment_that_names_nothing_is_refused_before_anything_is_sent(given: object) -> None:
    driver = MemoryDriver(scripted())
    with pytest.raises(ValueError, match="attach_to is a type and an id"):
        driver.run(upload(attach_to=given))


# Waiting


def test_an_image_in_work_is_asked_after_until_it_is_ready_and_keeps_its_tokens() -> None:
    first = image("processing", deduplicated=True) | {"delete_token": "ttw_1", "read_token": "ttr_1"}
    driver = MemoryDriver(scripted(answered(201, first), answered(200, image("processing")), answered(200, image())))
    shown = driver.run(upload(key=None))
    assert (shown.state, shown.delete_token, shown.read_token, shown.deduplicated) == ("ready", "ttw_1", "ttr_1", True)
    looks = driver.asked("GET", "/images/img_1")
    assert [look.headers["upload-token"] for look in looks] == ["ttw_1", "ttw_1"]
    assert "authorization" not in looks[0].headers
    assert driver.pauses == [0.25], "a server that holds nothing back is not asked in a busy loop"


def test_an_image_that_is_rejected_later_is_raised_with_its_reason() -> None:
    told = image("rejected", state_reason="image.malformed")
    driver = MemoryDriver(scripted(answered(201, image("processing")), answered(200, told)))
    with pytest.raises(errors.ImageRejected, match=r"image\.malformed") as rejected:
        driver.run(upload())
    assert (rejected.value.reason, rejected.value.image.id) == ("image.malformed", "img_1")


def test_whoever_waits_too_long_is_given_the_image_as_it_is() -> None:
    driver = MemoryDriver(lambda _: answered(200, image("processing")))
    with pytest.raises(errors.NotReady) as late:
        driver.run(upload(wait=5))
    assert late.value.image.state == "processing"
    assert 5 <= sum(driver.pauses) < 8


def test_whoever_does_not_wait_gets_the_image_in_work() -> None:
    driver = MemoryDriver(scripted(answered(201, image("processing"))))
    assert driver.run(upload(wait=False)).state == "processing"
    assert "prefer" not in driver.requests[0].headers


# One PUT to storage


def test_a_put_is_reserved_with_its_digest_and_goes_to_storage_without_our_credential() -> None:
    storage = "https://bucket.s3.example.com/key?X-Amz-Signature=1"
    told = link("put", upload={"url": storage, "method": "PUT", "headers": {"x-amz-checksum-sha256": "abc="}})
    driver = MemoryDriver(
        scripted(answered(201, told), problem(503, "unavailable"), answered(200), answered(200, image()))
    )
    driver.run(upload(method="put", kind="large", attach_to=("product", "1")))
    reserved, lost, sent, confirmed = driver.requests
    assert body_of(reserved) == {
        "method": "put",
        "size": len(DATA),
        "content_type": "image/jpeg",
        "filename": "cat.jpg",
        "sha256": hashlib.sha256(DATA).hexdigest(),
        "kind": "large",
        "attach_to": {"type": "product", "id": "1"},
    }
    assert lost == sent
    assert (sent.url, content(sent.body)) == (storage, DATA)
    assert sent.headers["x-amz-checksum-sha256"] == "abc="
    assert not {"authorization", "upload-token"} & set(sent.headers)
    assert confirmed.url == f"{URL}/api/v1/uploads/upl_1/complete"
    assert confirmed.headers["upload-token"] == "ttw_token"


def test_an_upload_that_fails_for_good_is_given_up_so_that_its_room_is_free_again() -> None:
    driver = MemoryDriver(scripted(answered(201, link("put")), problem(403, "upload.link_invalid"), answered(204)))
    with pytest.raises(errors.PermissionDenied):
        driver.run(upload(method="put"))
    assert driver.requests[-1].method == "DELETE"
    assert driver.requests[-1].url == f"{URL}/api/v1/uploads/upl_1"


def test_what_a_callback_raises_ends_the_upload() -> None:
    def stop(_: Progress) -> None:
        raise ZeroDivisionError

    driver = MemoryDriver(scripted(answered(201, link("tus")), answered(200, upload_offset="5"), answered(204)))
    with pytest.raises(ZeroDivisionError):
        driver.run(upload(method="tus", on_progress=stop))
    assert driver.requests[-1].method == "DELETE"


# Parts


def test_parts_arrive_whole_and_are_confirmed_in_order_although_connections_break() -> None:
    server = Parts(1000)
    server.fails = {1: [None], 3: [problem(503, "unavailable"), None, None]}
    MemoryDriver(server).run(upload(method="multipart"))
    assert b"".join(server.there[number] for number in sorted(server.there)) == DATA
    assert server.completed == [{"number": number, "etag": f'"{number}"'} for number in range(1, 12)]


def test_a_part_whose_address_is_over_or_unknown_gets_another_one() -> None:
    server = Parts(1000, urls=4)
    server.fails = {2: [Response(403, {}, b"<Error><Code>AccessDenied</Code></Error>")]}
    driver = MemoryDriver(server)
    driver.run(upload(method="multipart"))
    assert sorted(server.there) == list(range(1, 12))
    assert [body_of(request)["numbers"] for request in driver.asked("POST", "/parts")] == [[2, 5, 6, 7, 8, 9, 10, 11]]


def test_a_part_that_is_refused_again_and_again_ends_the_upload() -> None:
    server = Parts(1000)
    server.fails = {2: [Response(403)] * 3}
    driver = MemoryDriver(server)
    with pytest.raises(errors.PermissionDenied):
        driver.run(upload(method="multipart"))
    assert driver.requests[-1].method == "DELETE"


def test_what_the_server_took_in_is_held_against_what_was_sent_and_deleted_if_it_is_something_else() -> None:
    server = Parts(1000)
    server.source_sha256 = hashlib.sha256(DATA).hexdigest()
    MemoryDriver(server).run(upload(method="multipart"))
    server.source_sha256 = "00" * 32
    driver = MemoryDriver(server)
    with pytest.raises(errors.ChecksumMismatch):
        driver.run(upload(method="multipart"))
    assert driver.requests[-1].method == "DELETE"
    assert driver.requests[-1].url == f"{URL}/api/v1/images/img_1?purge=true"


def test_whoever_does_not_wait_lets_the_server_check_the_digest() -> None:
    driver = MemoryDriver(Parts(1000))
    driver.run(upload(method="multipart", wait=False))
    assert body_of(driver.requests[0])["sha256"] == hashlib.sha256(DATA).hexdigest()


# Pieces


def test_a_line_that_breaks_all_the_time_gets_there_as_long_as_it_brings_something() -> None:
    server = Tus(cuts=(1,) * 30)
    driver = MemoryDriver(server)
    driver.run(upload(method="tus"))
    assert server.data == DATA
    assert len(driver.asked("PATCH", "/upl_1")) == 31


def test_a_line_that_brings_nothing_is_given_up() -> None:
    driver = MemoryDriver(Tus(cuts=(0,) * 30))
    with pytest.raises(errors.ConnectionFailed):
        driver.run(upload(method="tus"))
    assert len(driver.asked("PATCH", "/upl_1")) == 7


@pytest.mark.parametrize("status", [409, 423, 429, 460, 503])
def test_a_piece_that_was_refused_in_passing_is_sent_again_from_where_the_server_is(status: int) -> None:
    server = Tus()
    server.answers = [problem(status, "whatever", retry_after="3")]
    driver = MemoryDriver(server)
    driver.run(upload(method="tus"))
    assert server.data == DATA
    assert driver.pauses == [3.5]


def test_every_piece_has_its_checksum_and_the_token_goes_to_our_server_alone() -> None:
    driver = MemoryDriver(Tus())
    driver.run(upload(method="tus"))
    (piece,) = driver.asked("PATCH", "/upl_1")
    assert piece.headers["upload-checksum"].startswith("sha256 ")
    assert piece.headers["upload-token"] == "ttw_token"
    assert piece.headers["tus-resumable"] == "1.0.0"


def test_the_servers_answer_decides_how_the_bytes_are_sent() -> None:
    server = Tus()
    MemoryDriver(server).run(upload(method="put"))
    assert server.data == DATA


# Progress


def test_progress_counts_up_to_the_whole_then_waits_and_ends() -> None:
    told: list[Progress] = []
    driver = MemoryDriver(scripted(answered(201, image())))
    driver.run(upload(on_progress=told.append))
    assert [progress.phase for progress in told] == ["processing", "done"]
    assert told[-1].fraction == 1
