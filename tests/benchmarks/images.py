"""Synthetic image projects: JPEG files with a box each, a Labelbox export (NDJSON) and its ontology.

Every image carries its number as black and white blocks in its top left corner.

    python images.py OUT --images 600 --size 640x360
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image
from projects import FRAME_BITS, PROJECT_ID, Painter, Spec, data_row, ontology

QUALITY = 90
ROUND = 300
"""The painter's clips are so long; a longer project is painted as several of them."""


def image_path(number: int) -> str:
    """An image's path relative to the export file."""
    return f"media/still_{number:05d}.jpg"


def true_box(number: int) -> list[float]:
    """Left, top, width, height of the one box of an image."""
    return [5.5 + number % 50, 10.25, 60.0, 40.0]


def image_row(spec: Spec, number: int) -> dict[str, Any]:
    """One line of the export: a labelled image with one box."""
    row = data_row(spec, number)
    label = row["projects"][PROJECT_ID]["labels"][0]
    label["label_kind"] = "Image"
    label["annotations"] = {
        "objects": [
            {
                "feature_id": f"clfeature{number:05d}",
                "feature_schema_id": "schema-vehicle",
                "name": "vehicle",
                "value": "vehicle",
                "annotation_kind": "ImageBoundingBox",
                "classifications": [],
                "bounding_box": dict(zip(("left", "top", "width", "height"), true_box(number), strict=True)),
            }
        ],
        "classifications": [],
        "relationships": [],
    }
    row["data_row"].update(row_data=image_path(number), external_id=Path(image_path(number)).name)
    row["data_row"]["global_key"] = f"still-{number:05d}"
    row["media_attributes"] = {
        "height": spec.height, "width": spec.width, "mime_type": "image/jpeg", "asset_type": "image",
    }  # fmt: skip
    return row


def write_images(folder: Path, spec: Spec, images: int) -> int:
    """Write export.ndjson, ontology.json and the images; the bytes of the images."""
    folder.joinpath("media").mkdir(parents=True)
    folder.joinpath("spec.json").write_text(json.dumps({"media_type": "image", "images": images}), encoding="utf-8")
    folder.joinpath("ontology.json").write_text(json.dumps(ontology(spec)), encoding="utf-8")
    with folder.joinpath("export.ndjson").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(image_row(spec, number)) + "\n" for number in range(images))
    size = 0
    for number in range(images):
        if number % ROUND == 0:
            painter = Painter(spec, number // ROUND)
        path = folder / image_path(number)
        Image.fromarray(painter.frame(number % ROUND)).save(path, quality=QUALITY)
        size += path.stat().st_size
    return size


def number_of(stamped: tuple[int, int]) -> int:
    """An image's number, from what its stamp says."""
    return stamped[0] * ROUND + stamped[1]


def main() -> None:
    """Write the project and print what was written, as JSON."""
    parser = argparse.ArgumentParser(description="Write a synthetic annotated image project.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--size", default="640x360", help="width x height")
    given = parser.parse_args()
    if given.images > ROUND << (18 - FRAME_BITS):
        parser.error("the stamps have no room for so many images")
    width, height = (int(side) for side in given.size.split("x"))
    spec = Spec(frames=ROUND, width=width, height=height, tools=1, tracks=2, nested_radio=False, frame_radio=False)
    size = write_images(given.folder, spec, given.images)
    print(json.dumps({"images": given.images, "rows": given.images, "width": width, "height": height, "bytes": size}))


if __name__ == "__main__":
    main()
