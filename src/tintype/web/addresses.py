"""Every address that the API gives out for an image: what has to be gone when the image is."""

from collections.abc import Mapping, Sequence

from tintype.db.variants import VariantRow
from tintype.domain.image import Image
from tintype.domain.kind import UploadKind, presets_of
from tintype.usecases.purge_image import Traces


def traces_of(image: Image, made: Sequence[VariantRow], kinds: Mapping[str, UploadKind]) -> Traces:
    """Return the paths that the image is served at, each of the variants that were `made` among them, and its tag.

    A cache that purges by tag drops all that has one; the tenant's tag is on every image and must not be purged.
    """
    link, version = f"/i/{image.ref}", f"?v={image.version}"
    presets = presets_of(image.recipe, kinds.get(image.kind))
    files = {(preset.name, fmt) for preset in presets for fmt in image.recipe.outputs}
    files |= {(row.preset, row.format) for row in made}
    names = ["original", *(preset.name for preset in presets)]
    paths = [
        f"/api/v1/images/{image.ref}",
        f"/p/{image.ref}",
        f"{link}/original.{image.format.extension}{version}",
        *(f"{link}/{name}{version}" for name in names),
        *sorted(f"{link}/{name}.{fmt.extension}{version}" for name, fmt in files),
    ]
    return Traces(tuple(paths), (str(image.ref),))
