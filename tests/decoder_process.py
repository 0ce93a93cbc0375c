"""What two decoders show of files that nobody trusts: `python decoder_process.py`, in a sandbox, file after file.

A request is four bytes of length and the file; the answer the same and a JSON object with what each decoder shows (a
digest over every frame's pixels, or why there is none) and how many pixels their headers promise. `decoders.py` is the
other end.
"""

import hashlib
import io
import json
import os
import sys
from typing import Any, BinaryIO, Final

import pyvips
from PIL import Image, ImageFile

from tintype.adapters import sandbox

MEMORY_BYTES: Final = 1 << 30
MOST_PIXELS: Final = 20_000_000
"""Over all frames: mutated files are small, and those that claim to be large only cost time."""

MOST_FRAMES: Final = 60
FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")


def main() -> None:
    """Answer until nothing more comes."""
    answers = _prepare()
    while head := sys.stdin.buffer.read(4):
        data = _exactly(sys.stdin.buffer, int.from_bytes(head, "big"))
        shown = {"pillow": _told(by_pillow, data), "libvips": _told(by_libvips, data)}
        answer = json.dumps({"shown": shown, "pixels": max(map(_pixels, (_pillow_size, _libvips_size), (data, data)))})
        answers.write(len(answer).to_bytes(4, "big") + answer.encode())
        answers.flush()


def _prepare() -> BinaryIO:
    """Import and try everything once, then give up every right; return where answers go.

    Not to what libraries take for the standard output: one of libvips' complains there.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    Image.MAX_IMAGE_PIXELS = None
    Image.init()
    example = io.BytesIO()
    Image.new("RGB", (8, 8)).save(example, "JPEG")
    _told(by_pillow, example.getvalue())
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    sandbox.lock(sandbox.SandboxLimits(memory_bytes=MEMORY_BYTES))
    return answers


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise EOFError
    return data


def _told(show: Any, data: bytes) -> str:  # noqa: ANN401 -- a decoder
    try:
        return str(show(data))
    except MemoryError:
        return "too large"
    except Exception as error:  # noqa: BLE001 -- decoders raise what they like; that is an answer too
        return f"error: {type(error).__name__}"


def _pixels(size: Any, data: bytes) -> int:  # noqa: ANN401 -- likewise
    try:
        return int(size(data))
    except Exception:  # noqa: BLE001 -- likewise
        return 0


def _pillow_size(data: bytes) -> int:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return image.width * image.height * _frames(image, data)


def _frames(image: Image.Image, data: bytes) -> int:
    return 1 if data[:2] == b"\xff\xd8" else int(getattr(image, "n_frames", 1))


def _libvips_size(data: bytes) -> int:
    header: Any = pyvips.Image.new_from_buffer(data, "", fail_on="error")
    pages = header.get("n-pages") if header.get_typeof("n-pages") else 1
    return int(header.width * header.height * pages)


def by_pillow(data: bytes) -> str:
    """Return a digest of every frame's pixels, size and duration, as Pillow composes them; of a JPEG the picture alone.

    A JPEG with an index of further pictures is a file of many frames to Pillow, and to nobody else.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    digest = hashlib.sha256()
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        frames = _frames(image, data)
        if frames > MOST_FRAMES or frames * image.width * image.height > MOST_PIXELS:
            return "too large"
        for frame in range(frames):
            if frame:
                image.seek(frame)
            image.load()
            shown = image.convert("RGBA") if image.mode in {"P", "PA"} else image
            duration = image.info.get("duration") if frames > 1 else None
            digest.update(repr((image.size, image.mode, duration)).encode() + shown.tobytes())
    return digest.hexdigest()


def by_libvips(data: bytes) -> str:
    """Return a digest of the pixels of all frames, as libvips decodes them without warnings held against it."""
    options = "n=-1" if data[:3] == b"GIF" or data[8:12] == b"WEBP" else ""
    if _libvips_size(data) > MOST_PIXELS:
        return "too large"
    image: Any = pyvips.Image.new_from_buffer(data, options, fail_on="error")
    delays = image.get("delay") if image.get_typeof("delay") else None
    pixels = image.write_to_memory()
    told = (image.width, image.height, image.bands, image.format, image.interpretation, delays)
    return hashlib.sha256(repr(told).encode() + bytes(pixels)).hexdigest()


if __name__ == "__main__":
    main()
