"""Sends every photograph of a folder through the product and looks at what comes out: `make photos PHOTOS=folder`.

Each must be accepted and become ready; every variant in every format must decode at its size and look like the
photograph as another decoder shows it; the original must have the very pixels that were sent; the pictures of an
orientation family (`name_1.jpg` … `name_8.jpg`) must look alike; and no byte served may hold any metadata. A HEIC must
be refused in so many words. Prints a line per photograph; the exit status is 1 when anything is wrong.
"""

import argparse
import contextlib
import hashlib
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image

from looks import (
    BOXES,
    MOST_COARSE,
    MOST_FINE,
    Box,
    Distance,
    as_seen,
    distance,
    enlargement,
    reduced,
    same_pixels,
)
from metadata_traces import Traces, metadata_in, traces_of
from serving import passable_directory, serving

ACCEPTED: Final = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp"})
REFUSED: Final = frozenset({".heic", ".heif"})
READY_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05
MEDIA_TYPES: Final = {"jpeg": "image/jpeg", "webp": "image/webp"}
_FAMILY: Final = re.compile(r"(.+)_[1-8]")


class Wrong(Exception):
    """Something is not as it must be; the message says what."""


@dataclass
class Outcome:
    """What became of one photograph. `thumbnails` is kept for members of an orientation family."""

    name: str
    faults: list[str] = field(default_factory=list)
    note: str = ""
    thumbnails: dict[str, Image.Image] = field(default_factory=dict)

    def line(self) -> str:
        """Return the line that is printed."""
        if not self.faults:
            return f"ok    {self.name}: {self.note}"
        return f"WRONG {self.name}: " + "; ".join(self.faults)


def main(arguments: Sequence[str]) -> int:
    """Check a folder and return the exit status."""
    options = _parser().parse_args(arguments)
    photographs = find_photographs(options.folder)
    if not photographs:
        print(f"{options.folder} has no photographs ({', '.join(sorted(ACCEPTED | REFUSED))}).", file=sys.stderr)
        return 1
    with _server(options.server, options.key) as client:
        outcomes = [_told(_check(client, path, path.relative_to(options.folder))) for path in photographs]
    families = check_families(outcomes)
    for outcome in families:
        print(outcome.line())
    wrong = sum(bool(outcome.faults) for outcome in (*outcomes, *families))
    print(f"\n{len(outcomes)} photographs, {len(families)} orientation families, {wrong} wrong.")
    print(f"Bounds: {MOST_FINE:g} grey levels per pixel, {MOST_COARSE:g} in the large; `worst` shows both.")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Send photographs through Tintype and look at what comes out.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--server", help="address of a server that runs (default: start one)")
    parser.add_argument("--key", default="", help="its API key")
    return parser


@contextlib.contextmanager
def _server(address: str | None, key: str) -> Iterator[httpx.Client]:
    with contextlib.ExitStack() as stack:
        if address is None:
            directory = stack.enter_context(passable_directory())
            started = stack.enter_context(serving(directory / "data"))
            address, key = started.base_url, started.key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        yield stack.enter_context(httpx.Client(base_url=address, headers=headers, timeout=ANSWER_SECONDS))


def find_photographs(folder: Path) -> list[Path]:
    """Return every photograph below the folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ACCEPTED | REFUSED and path.is_file())


def _told(outcome: Outcome) -> Outcome:
    print(outcome.line(), flush=True)
    return outcome


def _check(client: httpx.Client, path: Path, name: Path) -> Outcome:
    outcome = Outcome(str(name))
    try:
        if path.suffix.lower() in REFUSED:
            _check_refusal(client, path.read_bytes(), outcome)
        else:
            _Photograph(client, path, outcome).check()
    except (Wrong, httpx.HTTPError, OSError, ValueError) as error:
        outcome.faults.append(str(error) or repr(error))
    return outcome


def _check_refusal(client: httpx.Client, data: bytes, outcome: Outcome) -> None:
    answer = client.post("/api/v1/images", files={"file": (outcome.name, data)})
    if (answer.status_code, answer.json().get("code")) != (415, "image.unsupported_format"):
        raise Wrong(f"{answer.status_code} {answer.text[:200]}, where 415 image.unsupported_format is due")
    outcome.note = f"refused: {answer.json()['detail']}"


class _Photograph:
    """One photograph on its way through."""

    def __init__(self, client: httpx.Client, path: Path, outcome: Outcome) -> None:
        self._client = client
        self._path = path
        self._outcome = outcome
        self._source = path.read_bytes()
        self._seen = as_seen(self._source)
        self._traces: Traces = traces_of(self._source)
        self._worst = Distance(0.0, 0.0)

    def check(self) -> None:
        """Send it and look at everything that is served of it. `Wrong` when nothing more can be looked at."""
        image = self._ready(self._upload())
        self._check_record(image)
        self._check_original(image)
        variants = self._get(f"/api/v1/images/{image['id']}/variants").json()["items"]
        self._check_names(variants)
        for variant in variants:
            self._check_variant(image, variant)
        self._outcome.note = (
            f"{image['width']} × {image['height']}, {len(variants)} variants, worst {self._worst}, "
            f"{len(self._traces.words)} words of metadata gone"
        )

    def _wrong(self, what: str) -> None:
        self._outcome.faults.append(what)

    def _get(self, url: str, **headers: str) -> httpx.Response:
        answer = self._client.get(_path_of(url), headers=headers)
        if answer.status_code != 200:
            raise Wrong(f"{_path_of(url)} answers {answer.status_code}: {answer.text[:200]}")
        return answer

    def _upload(self) -> dict[str, Any]:
        answer = self._client.post("/api/v1/images", files={"file": (self._path.name, self._source)})
        if answer.status_code != 201:
            raise Wrong(f"the upload was answered {answer.status_code}: {answer.text[:200]}")
        return dict(answer.json())

    def _ready(self, image: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + READY_SECONDS
        while image["state"] == "processing" and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            image = self._get(f"/api/v1/images/{image['id']}").json()
        if image["state"] != "ready":
            raise Wrong(f"it is {image['state']} ({image['state_reason']})")
        return image

    def _check_record(self, image: dict[str, Any]) -> None:
        if (image["width"], image["height"]) != self._seen.size:
            self._wrong(f"said to be {image['width']} × {image['height']}, but is {self._seen.size}")
        if image["source_sha256"] not in {None, hashlib.sha256(self._source).hexdigest()}:
            self._wrong("its source_sha256 is of other bytes")
        if leaks := self._traces.found_in(repr(list(image.values())).encode()):
            self._wrong(f"its JSON tells {leaks[0]}")

    def _check_original(self, image: dict[str, Any]) -> None:
        answer = self._get(image["url"])
        if hashlib.sha256(answer.content).hexdigest() != image["sha256"] or len(answer.content) != image["bytes"]:
            self._wrong("the original is not the bytes that the record names")
        if difference := same_pixels(self._source, answer.content):
            self._wrong(f"the original has {difference}")
        self._check_traces("original", answer, original=True)

    def _check_names(self, variants: list[dict[str, Any]]) -> None:
        due = {f"{name}.{fmt}" for name in BOXES for fmt in MEDIA_TYPES}
        there = {f"{variant['preset']}.{variant['format']}" for variant in variants}
        if due != there:
            raise Wrong(f"its variants are {', '.join(sorted(there))} instead of {', '.join(sorted(due))}")

    def _check_variant(self, image: dict[str, Any], variant: dict[str, Any]) -> None:
        name = f"{variant['preset']}.{variant['format']}"
        answer = self._get(variant["url"])
        if answer.headers["content-type"] != MEDIA_TYPES.get(variant["format"]):
            self._wrong(f"{name} is served as {answer.headers['content-type']}")
        self._check_traces(name, answer, original=False)
        self._check_look(name, answer.content, BOXES[variant["preset"]])
        if negotiated := image["thumbnails"].get(variant["preset"]):
            self._check_negotiated(name, negotiated, answer)

    def _check_negotiated(self, name: str, url: str, explicit: httpx.Response) -> None:
        media_type = explicit.headers["content-type"]
        answer = self._get(url, accept=media_type)
        if (answer.headers["content-type"], answer.content) != (media_type, explicit.content):
            self._wrong(f"{name} differs when it is asked for by Accept")

    def _check_traces(self, name: str, answer: httpx.Response, *, original: bool) -> None:
        for fault in metadata_in(answer.content, original=original):
            self._wrong(f"{name} has metadata: {fault}")
        if leaks := self._traces.found_in(answer.content):
            self._wrong(f"{name} still has {', '.join(leaks[:3])} of the source's metadata")

    def _check_look(self, name: str, data: bytes, box: Box) -> None:
        expected = reduced(self._seen, box)
        shown = as_seen(data)
        if shown.size != expected.size:
            self._wrong(f"{name} has {shown.size} pixels instead of {expected.size}")
            return
        far = distance(shown, expected, pixel=enlargement(self._seen, box))
        if not far.close:
            self._wrong(f"{name} does not look like the photograph ({far})")
        self._worst = Distance(max(self._worst.fine, far.fine), max(self._worst.coarse, far.coarse))
        if box.crop and _FAMILY.fullmatch(self._path.stem):
            self._outcome.thumbnails[name] = shown


def _path_of(url: str) -> str:
    """Return path and query: the server may name itself by another address than we reach it by."""
    return str(httpx.URL(url).raw_path, "ascii")


def check_families(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return how alike the members of each orientation family look."""
    families: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        match = _FAMILY.fullmatch(str(Path(outcome.name).with_suffix("")))
        if match and outcome.thumbnails:
            families[match[1]].append(outcome)
    return [_compare_family(name, members) for name, members in families.items() if len(members) > 1]


def _compare_family(name: str, members: Sequence[Outcome]) -> Outcome:
    family, worst = Outcome(f"{name}_*"), Distance(0.0, 0.0)
    first, *others = members
    for other in others:
        for variant, picture in first.thumbnails.items():
            if variant not in other.thumbnails:
                family.faults.append(f"{other.name} has no {variant} to compare")
                continue
            far = distance(picture, other.thumbnails[variant])
            if not far.close:
                family.faults.append(f"{variant} of {other.name} looks unlike that of {first.name} ({far})")
            worst = Distance(max(worst.fine, far.fine), max(worst.coarse, far.coarse))
    family.note = f"{len(members)} orientations look alike, worst {worst}"
    return family


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
