"""How fast a 12 MP photograph becomes its six thumbnails: the real render pool, bare libvips, Pillow.

    python bench/render.py [--photo FILE] [--rounds N]

All make 150, 300 and 600 pixels square, as JPEG and WebP, at the same quality and effort of the encoders. The
peers decode once and cascade, without a sandbox, a digest, a placeholder or another process. What counts is processor
time, of the pool's parent and child together; rounds alternate, so that a busy machine slows all alike.
"""

import argparse
import asyncio
import hashlib
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pyvips
from PIL import Image, ImageOps

from figures import Figure, compared, table, told
from photograph import jpeg_of, photograph
from tintype.adapters.process_usage import computed_seconds
from tintype.adapters.render_pool import RenderPool, RenderPoolConfig
from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.imaging.encode import WEBP_EFFORT
from tintype.ports.renderer import RenderRequest

WIDTH, HEIGHT = 4000, 3000
BYTES: Final = 4_000_000
"""A phone's 12 MP photograph."""

SIDES: Final = (600, 300, 150)
QUALITY: Final = 80
ROUNDS: Final = 20

LEAST_OF_LIBVIPS: Final = 0.85
LEAST_OF_PILLOW: Final = 1.5

OUTPUTS: Final = tuple(
    Output(Transform(side, side, quality=QUALITY), fmt) for side in SIDES for fmt in (Format.JPEG, Format.WEBP)
)


def by_libvips(path: str) -> int:
    """Make the six files by libvips; return their bytes."""
    source = pyvips.Source.new_from_file(path)
    picture = pyvips.Image.thumbnail_source(source, SIDES[0], height=SIDES[0], crop="centre").copy_memory()
    total = 0
    for side in SIDES:
        if side != picture.width:
            picture = picture.thumbnail_image(side, height=side).copy_memory()
        total += len(picture.jpegsave_buffer(Q=QUALITY, interlace=True, keep="none"))
        total += len(picture.webpsave_buffer(Q=QUALITY, effort=WEBP_EFFORT, keep="none"))
    return total


def by_pillow(path: str) -> int:
    """Make the six files by Pillow, as its handbook does; return their bytes."""
    return _by_pillow(path, None)


def by_pillow_draft(path: str) -> int:
    """Make the six files by Pillow with a call that few know, which lets the JPEG decoder shrink as libvips does."""
    return _by_pillow(path, (2 * SIDES[0], 2 * SIDES[0]))  # libvips, too, loads at least twice what is needed


def _by_pillow(path: str, draft: tuple[int, int] | None) -> int:
    with Image.open(path) as opened:
        if draft:
            opened.draft("RGB", draft)
        picture: Image.Image = ImageOps.exif_transpose(opened).convert("RGB")
    total = 0
    for side in SIDES:
        picture = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
        for fmt, options in (("JPEG", {"progressive": True}), ("WEBP", {"method": WEBP_EFFORT})):
            file = io.BytesIO()
            picture.save(file, fmt, quality=QUALITY, **options)
            total += len(file.getvalue())
    return total


PEERS: Final[dict[str, Callable[[str], int]]] = {
    "libvips": by_libvips,
    "Pillow": by_pillow,
    "Pillow, draft": by_pillow_draft,
}


async def by_pool(pool: RenderPool, path: str, sha256: str) -> int:
    """Make the six files by the render pool, and the placeholder as a job does; return their bytes."""
    request = RenderRequest(sha256, Format.JPEG, OUTPUTS, describe=True)
    with open(path, "rb") as file:  # noqa: PTH123, ASYNC230 - a benchmark of what happens to be local
        return sum(len(made.data) for made in (await pool.render(request, file)).variants)


async def processor_seconds(path: str, rounds: int) -> dict[str, float]:
    """Return how much processor time each way took for a picture, on average."""
    data = await asyncio.to_thread(Path(path).read_bytes)
    sha256 = hashlib.sha256(data).hexdigest()
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    pool = RenderPool(RenderPoolConfig(processes=1))
    await by_pool(pool, path, sha256)
    [child] = pool.pids()
    for peer in PEERS.values():
        peer(path)
    spent = dict.fromkeys(("Tintype", *PEERS), 0.0)
    for _ in range(rounds):
        started = time.process_time() + (computed_seconds(child) or 0.0)
        await by_pool(pool, path, sha256)
        spent["Tintype"] += time.process_time() + (computed_seconds(child) or 0.0) - started
        for name, peer in PEERS.items():
            started = time.process_time()
            peer(path)
            spent[name] += time.process_time() - started
    assert pool.pids() == (child,)
    await pool.close()
    return {name: seconds / rounds for name, seconds in spent.items()}


def measure(*, quick: bool = False, photo: str | None = None, rounds: int = ROUNDS) -> list[Figure]:
    """Return both ratios, and what a picture took."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as made:
        if photo is None:
            made.write(jpeg_of(photograph(WIDTH, HEIGHT), BYTES))
            made.flush()
        seconds = asyncio.run(processor_seconds(photo or made.name, 1 if quick else rounds))
    rate = {name: 1 / each for name, each in seconds.items()}
    name = f"{'12 MP JPEG' if photo is None else Path(photo).name} → 3 sizes × 2 formats"
    ours = rate["Tintype"]
    return [
        compared(name, ours, rate["libvips"], "/s per core", peer_name="bare libvips", least=LEAST_OF_LIBVIPS),
        compared(name, ours, rate["Pillow"], "/s per core", peer_name="Pillow", least=LEAST_OF_PILLOW),
        told(name, f"{ours:,.1f} /s per core", f"{rate['Pillow, draft']:,.1f} /s per core Pillow with draft()"),
        told("the same, processor time", f"{1000 / ours:.0f} ms"),
    ]


def main(arguments: Sequence[str]) -> int:
    """Print the figures; the exit status is 1 when a ratio misses what is required."""
    parser = argparse.ArgumentParser(description="Measure rendering.")
    parser.add_argument("--photo", help="a JPEG to use; a photograph-like one of 12 MP is made by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    figures = measure(photo=options.photo, rounds=options.rounds)
    print(table(figures))
    return 1 if any(figure.passed is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
