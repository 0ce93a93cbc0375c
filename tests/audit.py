"""What must hold when the dust has settled: every promise kept, rows and files agreeing (I1–I6).

`audit` looks at the product as a client does and, with the superuser's eyes, at its rows and files. It returns what it
found wrong, by kind; a test asserts that this is nothing, and the control that it is something.
"""

import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
from PIL import Image

from product import Product, eventually
from tintype.domain.format import Format
from tintype.domain.keys import JOURNAL_PREFIX, original_key, variant_key
from tintype.domain.transform import recipe_from_json
from upkeep import collect, verified
from uploading import PURGED, TRASHED, Acknowledged, Ledger

Violations = dict[str, list[str]]

READY_SECONDS: Final = 30.0
"""Until what was killed last is back, on a busy machine."""

GRACE: Final = timedelta(hours=1)
"""How long what no row knows may lie about, as `tintype verify` has it: it may belong to an upload under way."""

FORMATS: Final = {"jpg": "JPEG", "webp": "WEBP"}


def settle(product: Product, *, within: float) -> bool:
    """Wait until everything answers, then until no work is left; return whether both came in time."""
    ready = eventually(lambda: _is_ready(product), within=READY_SECONDS)
    return ready and eventually(lambda: _work_left(product) == 0, within=within)


def _is_ready(product: Product) -> bool:
    try:
        return product.stranger.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _work_left(product: Product) -> int | None:
    """Return how many images and jobs are not done; None while the database is being brought back."""
    try:
        ((left,),) = product.query(
            "SELECT (SELECT count(*) FROM images WHERE state = 'processing')"
            " + (SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"
        )
    except psycopg.OperationalError:
        return None
    return int(left)


def work_left(product: Product) -> list[tuple[Any, ...]]:
    """Return what settles not: images that are being processed, and jobs."""
    return [
        *product.query("SELECT id, state, version, updated_at FROM images WHERE state = 'processing'"),
        *product.query("SELECT id, task_name, status, attempts, scheduled_at, args FROM procrastinate_jobs"),
    ]


def audit(product: Product, ledger: Ledger) -> Violations:
    """Return what is wrong, by kind: `lost` is an acknowledged image that is not there as it was acknowledged."""
    found: Violations = defaultdict(list)
    with httpx.Client(base_url=product.base_url, timeout=30) as client:
        for image in ledger.kept():
            _audit_image(client, image, found)
        for image_id in ledger.deleted:
            _audit_deleted(client, ledger.acknowledged[image_id], found)
    for image_id in ledger.trashed - ledger.doubtful.keys():
        _audit_trashed(product, ledger.acknowledged[image_id], found)
    for image_id, possible in ledger.doubtful.items():
        _audit_doubtful(product.client, image_id, possible, found)
    _audit_disk(_Disk.of(product), ledger, found)
    for job in product.query("SELECT id, task_name, status, attempts, args FROM procrastinate_jobs"):
        found["jobs"].append(f"{job} is still in the queue")
    return dict(found)


def verify(product: Product) -> list[str]:
    """Return what `tintype verify` finds, now and when `gc` has removed what a crash may leave for it."""
    left = verified(product, grace=GRACE)
    collect(product)
    return [f"{invariant}: {says}" for invariant, says in left + verified(product)]


# As a client sees it


def _audit_image(client: httpx.Client, image: Acknowledged, found: Violations) -> None:
    metadata = client.get(f"/api/v1/images/{image.id}")
    if metadata.status_code != httpx.codes.OK:
        found["lost"].append(f"{image.id}: metadata answers {metadata.status_code}")
        return
    shown = metadata.json()
    original = client.get(shown["url"])
    if hashlib.sha256(original.content).hexdigest() != image.sha256 or shown["sha256"] != image.sha256:
        found["lost"].append(f"{image.id}: original answers {original.status_code}, other than acknowledged")
    if shown["state"] != "ready":
        found["unready"].append(f"{image.id} is {shown['state']} ({shown['state_reason']})")
        return
    for preset in shown["thumbnails"]:
        for extension, name in FORMATS.items():
            url = f"/i/{image.id}/{preset}.{extension}?v={shown['version']}"
            if not _is_picture(client.get(url), name):
                found["thumbnails"].append(url)


def _is_picture(answer: httpx.Response, name: str) -> bool:
    if answer.status_code != httpx.codes.OK:
        return False
    with Image.open(io.BytesIO(answer.content)) as picture:
        picture.load()
        return picture.format == name


def _audit_deleted(client: httpx.Client, image: Acknowledged, found: Violations) -> None:
    urls = (f"/api/v1/images/{image.id}", image.answer["url"], *image.answer["thumbnails"].values())
    for url in urls:
        status = client.get(url).status_code
        if status != httpx.codes.GONE:
            found["undeleted"].append(f"{url} answers {status}")


def _audit_trashed(product: Product, image: Acknowledged, found: Violations) -> None:
    """In the trash nothing is served, and the bytes are there."""
    for url in (f"/api/v1/images/{image.id}", image.answer["url"], *image.answer["thumbnails"].values()):
        status = product.stranger.get(url).status_code
        if status != httpx.codes.NOT_FOUND:
            found["undeleted"].append(f"{url} is in the trash and answers {status}")
    shown = product.client.get(f"/api/v1/images/{image.id}")
    if shown.status_code != httpx.codes.OK or shown.json()["state"] != TRASHED:
        found["lost"].append(f"{image.id}: out of the trash, where it was, {shown.status_code}")
    elif shown.json()["sha256"] != image.sha256:
        found["lost"].append(f"{image.id}: other in the trash than acknowledged")


def _audit_doubtful(client: httpx.Client, image_id: str, possible: set[str], found: Violations) -> None:
    """What was asked and not answered was done or not, and nothing else."""
    metadata = client.get(f"/api/v1/images/{image_id}")
    if metadata.status_code == httpx.codes.GONE:
        is_now = PURGED
    elif metadata.status_code != httpx.codes.OK:
        is_now = f"answering {metadata.status_code}"
    elif metadata.json()["state"] == TRASHED:
        is_now = TRASHED
    else:
        is_now = hashlib.sha256(client.get(metadata.json()["url"]).content).hexdigest()
    if is_now not in possible:
        found["half"].append(f"{image_id} is {is_now}, which nobody asked for")


# As rows and files


@dataclass(frozen=True)
class _Disk:
    """Rows, and the files of the blob store by key."""

    images: list[dict[str, Any]]
    blobs: dict[tuple[int, bytes], int]
    refs: list[tuple[int, bytes, int]]
    variants: dict[str, tuple[int, bytes, str, int]]
    files: dict[str, Path]
    strays: list[str]

    @classmethod
    def of(cls, product: Product) -> "_Disk":
        columns = ("id", "tenant", "sha256", "state", "recipe")
        images = product.query("SELECT id, tenant, sha256, state, recipe FROM images")
        variants = product.query("SELECT tenant, sha256, digest, preset, format, size, file_sha256 FROM variants")
        store = product.data / "blobs"
        paths = {str(path.relative_to(store)): path for path in store.rglob("*") if path.is_file()}
        return cls(
            images=[dict(zip(columns, row, strict=True)) for row in images],
            blobs={(t, sha): size for t, sha, size in product.query("SELECT tenant, sha256, size FROM blobs")},
            refs=[(t, sha, image) for t, sha, image in product.query("SELECT tenant, sha256, image FROM blob_refs")],
            variants={
                variant_key(tenant=t, preset=preset, sha256=sha, digest=digest, file_sha256=file, fmt=Format(fmt)): (
                    t,
                    sha,
                    digest,
                    size,
                )
                for t, sha, digest, preset, fmt, size, file in variants
            },
            files={key: path for key, path in paths.items() if not key.startswith((".", JOURNAL_PREFIX))},
            strays=[key for key in paths if key.startswith(".")] + sorted(product.files("staging")),
        )


def _audit_disk(disk: _Disk, ledger: Ledger, found: Violations) -> None:
    found["residue"] += disk.strays
    _audit_blobs(disk, found)
    _audit_references(disk, found)
    _audit_variants(disk, found)
    _audit_numbers(disk, ledger, found)
    _audit_unreferenced(disk, ledger, found)
    for kind in [kind for kind, complaints in found.items() if not complaints]:
        del found[kind]


def _audit_blobs(disk: _Disk, found: Violations) -> None:
    """Every row has its file, whole; every file is what its name says, even one that no row knows."""
    for (tenant, sha256), size in disk.blobs.items():
        path = disk.files.get(original_key(tenant, sha256))
        if path is None or path.stat().st_size != size:
            found["blobs"].append(f"{sha256.hex()} has a row of {size} bytes and no such file")
    for key, path in disk.files.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.name != digest and f"-{digest[:16]}." not in path.name:
            found["torn"].append(key)
    for key, (_, _, _, size) in disk.variants.items():
        if key not in disk.files or disk.files[key].stat().st_size != size:
            found["blobs"].append(f"variant {key} has a row of {size} bytes and no such file")


def _audit_references(disk: _Disk, found: Violations) -> None:
    live = {(row["tenant"], row["sha256"], row["id"]) for row in disk.images if row["state"] != "purged"}
    referring = set(disk.refs)
    found["references"] += [f"image {image} has no reference" for _, _, image in live - referring]
    found["references"] += [f"reference of image {image}, which is not there" for _, _, image in referring - live]
    referred = {(tenant, sha256) for tenant, sha256, _ in referring}
    found["references"] += [f"blob {sha256.hex()} is not there" for _, sha256 in referred - disk.blobs.keys()]
    found["references"] += [f"nothing refers to blob {sha256.hex()}" for _, sha256 in disk.blobs.keys() - referred]


def _audit_variants(disk: _Disk, found: Violations) -> None:
    """A ready image has every eager variant, and no variant, with a row or without, is of a blob that is gone.

    A file without a row may be of a blob that is there: whoever was killed before recording it had made it on demand,
    with other pixels than the job. It goes with the image.
    """
    made: dict[tuple[int, bytes], set[str]] = defaultdict(set)
    for tenant, sha256, digest, _ in disk.variants.values():
        made[tenant, sha256].add(digest)
    for row in disk.images:
        if row["state"] == "ready":
            wanted = {variant.output.digest for variant in recipe_from_json(row["recipe"]).eager}
            missing = wanted - made[row["tenant"], row["sha256"]]
            found["variants"] += [f"image {row['id']} is ready without variant {digest}" for digest in missing]
    found["variants"] += [
        f"variant of {sha256.hex()}, of which there is no blob" for _, sha256 in made.keys() - disk.blobs.keys()
    ]
    known = {sha256.hex() for _, sha256 in disk.blobs}
    unknown = {key for key in disk.files if "/original/" not in key} - disk.variants.keys()
    found["variants"] += [f"{key} has no row, and its blob has none" for key in unknown if _name(key)[:64] not in known]


def _name(key: str) -> str:
    """Return what comes last in a key: it begins with the blob's SHA-256."""
    return key.rpartition("/")[2]


def _audit_numbers(disk: _Disk, ledger: Ledger, found: Violations) -> None:
    """No upload became two images: beyond what was acknowledged there are at most those that were never answered."""
    unanswered = ledger.uploads - len(ledger.acknowledged)
    surplus = len(disk.images) - len(ledger.acknowledged)
    if not 0 <= surplus <= unanswered:
        found["numbers"].append(f"{surplus} images more than acknowledged, with {unanswered} uploads unanswered")


def _audit_unreferenced(disk: _Disk, ledger: Ledger, found: Violations) -> None:
    """What was deleted is gone from the disk, unless somebody whom nobody answered sent it again."""
    deleted = ledger.wholly_deleted()
    for key in disk.files:
        if _name(key)[:64] in deleted:
            found["undeleted"].append(f"{key} is still on the disk")
