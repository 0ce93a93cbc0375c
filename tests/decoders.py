"""Asks decoders what a file shows, in a process that may be led astray: `decoder_process.py`."""

import json
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

ANSWER_SECONDS: Final = 20.0
"""Mutated files are small; a decoder that takes longer is stuck."""

_PROGRAM: Final = Path(__file__).with_name("decoder_process.py")


@dataclass(frozen=True)
class Shown:
    """What decoders make of a file: a digest of its pixels each, and how many pixels its header promises."""

    digests: dict[str, str]
    pixels: int

    @property
    def pictures(self) -> dict[str, str]:
        """The digests of those decoders that showed something."""
        return {name: digest for name, digest in self.digests.items() if len(digest) == _DIGEST_CHARACTERS}


_DIGEST_CHARACTERS: Final = 64


class Decoders:
    """A process with decoders in it; one that dies or hangs is replaced by the next question."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, data: bytes) -> Shown:
        """Return what each decoder shows of the file."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(len(data).to_bytes(4, "big") + data)
            process.stdin.flush()
            answer: Any = json.loads(_read(process.stdout, int.from_bytes(_read(process.stdout, 4), "big")))
            return Shown(dict(answer["shown"]), int(answer["pixels"]))
        except (EOFError, BrokenPipeError, TimeoutError) as error:
            self.deaths += 1
            self.close()
            return Shown({"both": f"died or hung ({type(error).__name__})"}, 0)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return self._process


def _read(stream: IO[bytes], length: int) -> bytes:
    received = b""
    while len(received) < length:
        if not select.select([stream], [], [], ANSWER_SECONDS)[0]:
            raise TimeoutError
        chunk = stream.read1(length - len(received))  # type: ignore[attr-defined] # it is a BufferedReader
        if not chunk:
            raise EOFError
        received += chunk
    return received
