"""`tintype-upload`: files to a Tintype server. Addresses of the images go to standard output, the rest beside it."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import IO, Any, Final, cast

from tintype_client.client import Tintype
from tintype_client.core.api import passes
from tintype_client.core.fields import FIELDS, attachment
from tintype_client.core.options import UploadOptions
from tintype_client.core.retries import RetryPolicy
from tintype_client.errors import ApiError, ConnectionFailed, NotReady, TintypeError
from tintype_client.models import Image
from tintype_client.progress_bar import CLEAR, ProgressBar
from tintype_client.settings import KEY_VARIABLE, URL_VARIABLE

STANDARD_INPUT: Final = "-"


class Exit(IntEnum):
    """How the command ends."""

    DONE = 0
    REFUSED = 1
    """At least one file is not there, and will not be by trying again."""
    USAGE = 2
    LATER = 75
    """At least one file did not get there, and may by running the command again (EX_TEMPFAIL of sysexits.h)."""
    INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Upload what the arguments name; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        retries = RetryPolicy(on_retry=None if options.quiet else _tell_retry)
        client = Tintype(options.url, retries=retries, state_dir=options.state_dir)
        wanted = _upload_options(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        with client:
            return max(_upload(client, name, wanted, options) for name in options.files)
    except BrokenPipeError:  # whoever read our output has gone, and Python would complain once more at the end
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 -- open to the end of the process
        return Exit.REFUSED
    except KeyboardInterrupt:
        _say("Interrupted." if options.no_resume else "Interrupted. Run the same command again to go on from here.")
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)  # so that a shell's loop over files ends, too; and no thread is waited for
        return Exit.INTERRUPTED


def _upload(client: Tintype, name: str, wanted: UploadOptions, options: argparse.Namespace) -> Exit:
    try:
        file: IO[bytes] | Path = sys.stdin.buffer if name == STANDARD_INPUT else Path(name)
        with ProgressBar(sys.stderr, name) as bar:
            shown: UploadOptions = wanted if options.quiet else {**wanted, "on_progress": bar}
            image = client.upload(file, **shown)
    except (TintypeError, OSError) as error:
        _tell_error(name, error, as_json=options.json)
        return _status_of(error)
    _tell_image(name, image, as_json=options.json)
    return Exit.DONE


def _tell_image(name: str, image: Image, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": name, "image": {**image.raw, **_tokens(image)}}), flush=True)
        return
    print(image.url, flush=True)
    for what, token in _tokens(image).items():
        _say(f"{name}: its {what.replace('_', ' ')}, told only now: {token}")


def _tokens(image: Image) -> dict[str, str]:
    tokens = {"delete_token": image.delete_token, "read_token": image.read_token}
    return {name: token for name, token in tokens.items() if token}


def _tell_error(name: str, error: Exception, *, as_json: bool) -> None:
    sentence = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    if as_json:
        code = error.code if isinstance(error, ApiError) else getattr(error, "reason", None)
        print(json.dumps({"file": name, "error": {"code": code, "detail": sentence}}), flush=True)
    _say(f"{name}: {sentence}")


def _tell_retry(error: TintypeError, seconds: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(CLEAR)
    _say(f"{error} Trying again in {max(1, round(seconds))} s.")


def _status_of(error: Exception) -> Exit:
    passing = isinstance(error, ConnectionFailed | NotReady) or (isinstance(error, ApiError) and passes(error))
    return Exit.LATER if passing else Exit.REFUSED


def _say(sentence: str) -> None:
    print(f"tintype-upload: {sentence}", file=sys.stderr, flush=True)


def _upload_options(options: argparse.Namespace) -> UploadOptions:
    """Return what was chosen; `ValueError` for what makes no sense."""
    if options.attach_to is not None:
        attachment(options.attach_to)
    chosen: dict[str, Any] = {name: getattr(options, name) for name in FIELDS if getattr(options, name) is not None}
    wait = False if options.no_wait else options.wait
    chosen.update(method=options.method, wait=wait, resume=not options.no_resume, parallel=options.parallel)
    return cast("UploadOptions", chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tintype-upload",
        description="Upload images to a Tintype server, and print where each of them is.",
        epilog=f"The API key comes from {KEY_VARIABLE}; without one images are nobody's. An upload that was "
        "interrupted goes on when the same command is run again. Exit status: 0 all are there, 1 some were refused, "
        "2 the command makes no sense, 75 some may get there later, 130 interrupted.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a path, or - for standard input")
    parser.add_argument("--url", help=f"the server; without it {URL_VARIABLE} says")
    _add_fields(parser)
    parser.add_argument("--method", choices=["direct", "put", "multipart", "tus"], help="how; the size decides")
    parser.add_argument("--parallel", type=_positive, default=4, metavar="N", help="parts side by side (4)")
    parser.add_argument("--wait", type=float, default=120, metavar="SECONDS", help="for sizes to be made (120)")
    parser.add_argument("--no-wait", action="store_true", help="return as soon as the image is safe")
    parser.add_argument("--no-resume", action="store_true", help="keep nothing that a later run could go on from")
    parser.add_argument("--state-dir", metavar="DIR", help="where uploads under way are kept")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each file, with all that is known")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, and no word of what is tried again")
    return parser


def _add_fields(parser: argparse.ArgumentParser) -> None:
    fields = parser.add_argument_group("what is said of each image")
    fields.add_argument("--kind", help="one of the server's kinds")
    fields.add_argument("--title")
    fields.add_argument("--alt", help="the image in words")
    fields.add_argument("--tag", dest="tags", action="append", metavar="TAG", help="may be given several times")
    fields.add_argument("--visibility", choices=["public", "unlisted", "followers", "private"])
    fields.add_argument("--expires-in", type=_positive, metavar="SECONDS", help="after which it is deleted")
    fields.add_argument("--attach-to", metavar="TYPE:ID", help="what it belongs to, such as product:4711")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return number
