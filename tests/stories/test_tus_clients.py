"""Resumable uploads by the clients that people use: tus-js-client in Node, and tuspy."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any, Final

import pytest
from tusclient.client import TusClient

from nodejs import install_packages, run_node
from product import Product
from resumable import TUS, committed, photo

DATA: Final = photo(900, 800, seed=520)
CHUNK: Final = 100_000

PROGRAM: Final = """
import { readFile } from "node:fs/promises";
import * as tus from "tus-js-client";

const wanted = JSON.parse(process.env.TUS_WANTED);
const file = await readFile(wanted.file);
let image = null;
let requests = [];

const options = {
  endpoint: wanted.endpoint,
  headers: { Authorization: `Bearer ${wanted.key}` },
  metadata: { filename: "photo.jpg", filetype: "image/jpeg", title: wanted.title },
  retryDelays: [0, 200, 1000],
  ...wanted.options,
  onAfterResponse: (request, response) => {
    requests.push(request.getMethod());
    image = response.getHeader("Tintype-Image") ?? image;
  },
};

const run = (upload, abortAt) => new Promise((resolve, reject) => {
  upload.options.onSuccess = resolve;
  upload.options.onError = reject;
  upload.options.onChunkComplete = (_, sent) => {
    if (abortAt && sent >= abortAt) upload.abort().then(resolve, reject);
  };
  upload.start();
});

let upload = new tus.Upload(file, options);
await run(upload, wanted.abortAt);
if (wanted.abortAt) {
  requests = [];
  upload = new tus.Upload(file, { ...options, uploadUrl: upload.url });
  await run(upload);
}
console.log(JSON.stringify({ url: upload.url, image, requests }));
"""


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file that is sent."""
    install_packages()
    path = tmp_path_factory.mktemp("tus") / "photo.jpg"
    path.write_bytes(DATA)
    return path


def by_tus_js_client(product: Product, picture: Path, **wanted: object) -> dict[str, Any]:
    """Return what tus-js-client says of an upload."""
    told = {
        "endpoint": product.base_url + TUS,
        "file": str(picture),
        "key": product.api_key,
        "title": "By JS",
        **wanted,
    }
    done = run_node("--input-type=module", "-e", PROGRAM, environment={"TUS_WANTED": json.dumps(told)})
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("wanted", "requests"),
    [
        ({}, ["POST", "PATCH"]),
        ({"options": {"uploadDataDuringCreation": True, "chunkSize": 400_000}}, ["POST", "PATCH"]),
        ({"options": {"chunkSize": CHUNK}, "abortAt": 2 * CHUNK}, ["HEAD", "PATCH", "PATCH"]),
        ({"options": {"overridePatchMethod": True}}, ["POST", "POST"]),
    ],
    ids=["whole", "with the creation", "resumed", "by POST alone"],
)
def test_tus_js_client_uploads(product: Product, picture: Path, wanted: dict[str, object], requests: list[str]) -> None:
    told = by_tus_js_client(product, picture, **wanted)
    assert told["requests"][: len(requests)] == requests
    image = committed(product, told["image"])
    assert (image["title"], image["source_sha256"]) == ("By JS", hashlib.sha256(DATA).hexdigest())


def test_tus_js_client_sends_parts_in_parallel(product: Product, picture: Path) -> None:
    told = by_tus_js_client(product, picture, options={"parallelUploads": 3})
    assert committed(product, told["image"])["source_sha256"] == hashlib.sha256(DATA).hexdigest()


def test_tuspy_uploads_with_checksums_and_resumes(product: Product) -> None:
    client = TusClient(product.base_url + TUS, headers={"Authorization": f"Bearer {product.api_key}"})
    said = {"filename": "photo.jpg", "title": "By tuspy"}
    first = client.uploader(
        file_stream=io.BytesIO(DATA), chunk_size=CHUNK, metadata=said, upload_checksum=True, retries=2
    )
    first.upload_chunk()  # type: ignore[no-untyped-call]
    assert first.url is not None
    second = client.uploader(file_stream=io.BytesIO(DATA), chunk_size=CHUNK, url=first.url, upload_checksum=True)
    assert second.offset == CHUNK
    second.upload()
    name = product.stranger.head(first.url, headers={"tus-resumable": "1.0.0"}).headers["tintype-image"]
    image = committed(product, name)
    assert (image["title"], image["source_sha256"]) == ("By tuspy", hashlib.sha256(DATA).hexdigest())
