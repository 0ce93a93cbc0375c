import re

import msgspec
import pytest

from nodejs import TYPESCRIPT_CLIENT, install_packages, run_node
from tintype.web.image_json import ImageJson, VariantJson
from tintype.web.upload_json import UploadJson

ADDED = {"api"}
"""What the client adds by itself."""


def test_the_typescript_client_passes_its_own_tests() -> None:
    install_packages()
    done = run_node("--test", "--test-timeout=20000", "test/*.test.ts")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("interface", "struct"),
    [("Image", ImageJson), ("Variant", VariantJson), ("UploadLink", UploadJson), ("UploadStatus", UploadJson)],
)
def test_what_the_typescript_client_reads_is_what_the_server_says(interface: str, struct: type[msgspec.Struct]) -> None:
    model = (TYPESCRIPT_CLIENT / "src" / "model.ts").read_text()
    found = re.search(rf"export interface {interface} {{\n(.*?)\n}}", model, re.DOTALL)
    assert found is not None
    names = set(re.findall(r"^  (\w+)\??:", found[1], re.MULTILINE))
    assert names - ADDED <= {field.name for field in msgspec.structs.fields(struct)}
