import subprocess
import sys
from pathlib import Path

import pytest

import samples

SCRIPT = """
import sys
import pyvips
from tintype.imaging import libvips

libvips.confine()
black = pyvips.Image.black(8, 8)
jpeg = sys.argv[1]


def source(data):
    return pyvips.Image.new_from_source(pyvips.Source.new_from_memory(data), "")


for name, attempt in {
    "file": lambda: pyvips.Image.new_from_file(jpeg),
    "buffer": lambda: pyvips.Image.new_from_buffer(open(jpeg, "rb").read(), ""),
    "svg": lambda: source(b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>"),
    "ppm": lambda: source(b"P6 1 1 255 abc"),
    "tiff": lambda: black.tiffsave_buffer(),
    "save": lambda: black.write_to_file(sys.argv[2]),
    "source": lambda: source(open(jpeg, "rb").read()).avg(),
}.items():
    try:
        attempt()
    except pyvips.Error:
        print(name, "refused")
    else:
        print(name, "allowed")
print("cache", pyvips.cache_get_max(), "threads", pyvips.concurrency_get())
"""
"""Loaders and savers are blocked for a whole process: this one, not that of the other tests."""


@pytest.fixture(scope="module")
def confined(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("confined")
    (folder / "a.jpg").write_bytes(samples.jpeg())
    arguments = [sys.executable, "-c", SCRIPT, str(folder / "a.jpg"), str(folder / "b.png")]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("what", ["file", "buffer", "svg", "ppm", "tiff", "save"])
def test_a_confined_process_has_no_other_loaders_and_savers(confined: list[str], what: str) -> None:
    assert f"{what} refused" in confined


def test_a_confined_process_reads_sources_with_one_thread_and_no_cache(confined: list[str]) -> None:
    assert "source allowed" in confined
    assert "cache 0 threads 1" in confined


CMYK = """
import sys
from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.imaging import libvips
from tintype.imaging.pipeline import render
from tintype.ports.renderer import RenderRequest

libvips.confine()
outputs = tuple(Output(Transform(side, side), fmt) for side in (40, 300) for fmt in Format)
with open(sys.argv[1], "rb") as file:
    print(len(render(RenderRequest("", Format.JPEG, outputs), file.fileno()).variants))
"""


def test_a_profile_that_libvips_has_freed_is_not_read(tmp_path: Path) -> None:
    """Without a cache, libvips 8.18.7 frees the CMYK profile of its own that it leaves attached to a picture."""
    path = tmp_path / "cmyk.jpg"
    path.write_bytes(samples.jpeg(203, 151, mode="CMYK"))
    run = subprocess.run([sys.executable, "-c", CMYK, str(path)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "8\n")
