"""`make photos` finds what is wrong with what is served.

It runs against the product through a gateway that spoils one answer on its way: the command that passes without it must
name the fault and fail.
"""

import http.client
import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

import samples
from product import Product

COMMAND = Path(__file__).parents[2] / "bench" / "photos.py"
CANARY = b"CANARY-of-the-camera"
COMMENT = b"Taken at home, 43 N 11 E"

Spoil = Callable[[bytes], bytes]


def run(folder: Path, product: Product, server: str = "") -> tuple[int, str]:
    """Return the command's exit status and what it printed."""
    options = ["--server", server or product.base_url, "--key", product.api_key]
    command = [sys.executable, str(COMMAND), str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def gateway(product: Product, path_part: str, spoil: Spoil) -> Iterator[str]:
    """Give the address of a gateway to the product that spoils the bodies of what has `path_part` in its path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            upstream = http.client.HTTPConnection(urlsplit(product.base_url).netloc, timeout=60)
            upstream.request(self.command, self.path, body, {**self.headers})
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            content = spoil(content) if path_part in self.path else content
            self.send_response(answer.status)
            self.send_header("content-type", answer.getheader("content-type", ""))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name for it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one photograph that has all the metadata there is."""
    folder = tmp_path_factory.mktemp("photograph")
    (folder / "camera.jpg").write_bytes(samples.jpeg(gps=True, canary=CANARY, orientation=6))
    return folder


def test_photographs_of_every_format_and_orientation_pass(product: Product, tmp_path: Path) -> None:
    (tmp_path / "turned").mkdir()
    for orientation in range(1, 9):
        data = samples.jpeg(480, 320, orientation=orientation, canary=CANARY)
        (tmp_path / "turned" / f"house_{orientation}.jpg").write_bytes(data)
    (tmp_path / "grey.jpeg").write_bytes(samples.jpeg(mode="L", icc=b""))
    (tmp_path / "see-through.png").write_bytes(samples.png(mode="RGBA", canary=CANARY))
    (tmp_path / "moving.gif").write_bytes(samples.gif(frames=3, canary=CANARY))
    (tmp_path / "profile.webp").write_bytes(samples.webp(icc=samples.icc_profile(), orientation=8, canary=CANARY))
    (tmp_path / "phone.HEIC").write_bytes(b"\0\0\0\x24ftypheic\0\0\0\0mif1MiHEheic" + bytes(100))
    (tmp_path / "README.md").write_text("no photograph")

    status, said = run(tmp_path, product)

    assert status == 0, said
    assert "13 photographs, 1 orientation families, 0 wrong" in said


def test_the_families_of_orientations_are_compared(product: Product, tmp_path: Path) -> None:
    (tmp_path / "house_1.jpg").write_bytes(samples.jpeg())
    (tmp_path / "house_2.jpg").write_bytes(samples.jpeg(seed=5))

    status, said = run(tmp_path, product)

    assert status == 1
    assert "WRONG house_*" in said


def test_a_photograph_that_cannot_be_stored_fails_the_command(product: Product, tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(samples.jpeg())
    (tmp_path / "cut-off.jpg").write_bytes(samples.jpeg()[:-2000])

    status, said = run(tmp_path, product)

    assert status == 1
    assert "ok    good.jpg" in said
    assert "WRONG cut-off.jpg" in said


def test_a_folder_without_photographs_fails_the_command(product: Product, tmp_path: Path) -> None:
    status, said = run(tmp_path, product)

    assert status == 1
    assert "has no photographs" in said


def _saved(image: Image.Image, fmt: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, fmt, quality=90, **options)
    return file.getvalue()


def _turned(data: bytes) -> bytes:
    return _saved(Image.open(io.BytesIO(data)).transpose(Image.Transpose.ROTATE_90), "JPEG")


def _tinted(data: bytes) -> bytes:
    return _saved(Image.open(io.BytesIO(data)).point(lambda level: min(255, level + 6)), "WEBP")


def _smaller(data: bytes) -> bytes:
    return _saved(Image.open(io.BytesIO(data)).resize((149, 150)), "JPEG")


def _commented(data: bytes) -> bytes:
    return data[:2] + samples.jpeg_segment(0xFE, COMMENT) + data[2:]


def _with_exif(data: bytes) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    return _saved(Image.open(io.BytesIO(data)), "WEBP", exif=exif)


def _with_profile(data: bytes) -> bytes:
    return _saved(Image.open(io.BytesIO(data)), "JPEG", icc_profile=samples.icc_profile())


def _with_a_word(data: bytes) -> bytes:
    """Hide a word of the camera's where no structure tells: among the quantisation tables of a further scan."""
    return data[:2] + samples.jpeg_segment(0xDB, b"\x03" + CANARY.ljust(64, b"\x01")) + data[2:]


def _other_pixel(data: bytes) -> bytes:
    """Change a coefficient of the picture, within its entropy-coded data."""
    middle = data.index(b"\xff\xda") + (len(data) - data.index(b"\xff\xda")) // 2
    while data[middle - 1] in {0, 0xFF} or data[middle] in {0, 0xFE, 0xFF} or data[middle + 1] in {0, 0xFF}:
        middle += 1
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


SPOILT: list[tuple[str, Spoil, str]] = [
    ("/thumb.jpg", _turned, "thumb.jpeg does not look like the photograph"),
    ("/medium.webp", _tinted, "medium.webp does not look like the photograph"),
    ("/thumb.jpg", _smaller, "thumb.jpeg has (149, 150) pixels"),
    ("/gallery.jpg", _commented, "gallery.jpeg has metadata: foreign: segment FFFE"),
    ("/gallery.webp", _with_exif, "gallery.webp has metadata: foreign: chunk b'EXIF'"),
    ("/medium.jpg", _with_profile, "medium.jpeg has metadata: colour profile"),
    ("/large.jpg", lambda data: data + b"\0", "large.jpeg has metadata: foreign: 1 bytes after the end"),
    ("/thumb.jpg", _with_a_word, "thumb.jpeg still has b'CANARY-of-the-camera'"),
    ("/original.jpg", _commented, "original has metadata: foreign: segment FFFE"),
    ("/original.jpg", _other_pixel, "the original has other pixels"),
    (
        "/original.jpg",
        lambda data: data.replace(b"\x12\x01\x03\0", b"\x13\x01\x03\0"),
        "the original has another orient",
    ),
    ("/original.jpg", lambda data: data + b"\n", "the original is not the bytes that the record names"),
    ("/variants", lambda data: data.replace(b'"thumb"', b'"other"'), "its variants are gallery.jpeg"),
    ("/api/v1/images", lambda data: data.replace(b"480", b"481"), "said to be"),
    ("/thumb?", _turned, "thumb.jpeg differs when it is asked for by Accept"),
]


@pytest.mark.parametrize(("path_part", "spoil", "fault"), SPOILT)
def test_a_spoilt_answer_is_named_and_fails_the_command(
    product: Product, photograph: Path, path_part: str, spoil: Spoil, fault: str
) -> None:
    with gateway(product, path_part, spoil) as address:
        status, said = run(photograph, product, address)

    assert fault in said
    assert status == 1


def test_a_heic_that_is_taken_in_fails_the_command(product: Product, tmp_path: Path) -> None:
    (tmp_path / "phone.heic").write_bytes(samples.jpeg())

    status, said = run(tmp_path, product)

    assert "where 415 image.unsupported_format is due" in said
    assert status == 1
