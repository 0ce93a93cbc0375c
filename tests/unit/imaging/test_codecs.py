import ctypes
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tintype.adapters import render_protocol
from tintype.imaging import codecs


def test_the_libraries_that_are_installed_may_decode() -> None:
    assert codecs.why_not() is None
    first = codecs.loaded_codecs()[0]
    assert first.name == "libvips"
    assert codecs.bundle() is not None
    assert not first.outdated


def test_an_old_library_is_named_with_what_it_would_have_to_be() -> None:
    reason = codecs.why_not({**codecs.LEAST, "libvips": (99, 1, 0)})
    assert reason is not None
    assert "libvips 8." in reason
    assert "at least 99.1.0" in reason


@pytest.mark.parametrize(("number", "version"), [(0x010302, (1, 3, 2)), (0x010600, (1, 6, 0))])
def test_libwebp_tells_its_version_in_bytes(number: int, version: codecs.Version) -> None:
    assert codecs._webp(number) == version


@pytest.mark.parametrize(("number", "version"), [(10652, (1, 6, 52)), (10637, (1, 6, 37))])
def test_libpng_tells_its_version_in_decimals(number: int, version: codecs.Version) -> None:
    assert codecs._png(number) == version


def test_a_shared_codec_is_asked_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = tmp_path / "maps"
    maps.write_text(
        "7f00-7f01 r-xp 0000 08:01 99 /usr/lib/libwebp.so.7.1.8\n7f02-7f03 r-xp 0000 08:01 98 /usr/lib/libc.so.6\n"
    )
    old = type("Library", (), {"WebPGetDecoderVersion": staticmethod(lambda: 0x010301)})
    monkeypatch.setattr(codecs, "Path", lambda _: maps)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: old)
    assert [str(codec) for codec in codecs.loaded_codecs() if codec.outdated] == ["libwebp 1.3.1"]


OLD = """
import sys
from tintype.adapters import render_process
from tintype.imaging import codecs
codecs.why_not.__defaults__[0]["libvips"] = (99, 0, 0)
render_process.main()
"""


def test_a_decoder_with_an_old_library_does_not_start() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        run = subprocess.Popen(
            [sys.executable, "-c", OLD, str(theirs.fileno())], pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL
        )
        theirs.close()
        length = int.from_bytes(ours.recv(render_protocol.LENGTH_BYTES), "big")
        answer = render_protocol.answer(bytearray(ours.recv(length)))
        assert run.wait(20) == 1
    assert isinstance(answer, render_protocol.Failed)
    assert "libvips 8." in answer.reason
