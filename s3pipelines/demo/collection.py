"""What the demo uploads: photographs of scikit-image, and names and files as real buckets have."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from s3pipelines.core.errors import InvalidInput

_PICTURES = {".png", ".jpg", ".tif", ".gif"}
LARGE = "wall of 30 pictures.tif"
_WALL_COLUMNS, _WALL_ROWS, _WALL_TILE_PX = 6, 5, 960
_LARGER_THAN = 40_000
# Kept back, to be uploaded while one watches.
_LATER = ("rocket.jpg", "coffee.png", "retina.jpg")


@dataclass(frozen=True)
class Upload:
    """One object to write; `body` None deletes it."""

    bucket: str
    key: str
    body: bytes | None


PHOTOGRAPHS = "demo-photographs"
LABORATORY = "demo-laboratory"


def first_uploads() -> Iterator[Upload]:
    """What is there before the sources are registered."""
    pictures = _pictures()
    for name, body in pictures.items():
        if name not in _LATER:
            yield Upload(PHOTOGRAPHS, f"museum/{name}", body)
    yield Upload(PHOTOGRAPHS, f"museum/{LARGE}", large_image(pictures))
    photo = pictures["chelsea.png"]
    for key, body in _odd_objects(photo).items():
        yield Upload(LABORATORY, f"inbox/{key}", body)
    # Beside the source, not in it: a prefix means whole segments.
    yield Upload(LABORATORY, "inbox-old/not-in-the-source.png", photo)


def later_uploads() -> Iterator[Upload]:
    """What happens while one watches: three new objects, one overwritten, one deleted."""
    pictures = _pictures()
    for name in _LATER:
        yield Upload(PHOTOGRAPHS, f"museum/new/{name}", pictures[name])
    yield Upload(PHOTOGRAPHS, "museum/camera.png", pictures["astronaut.png"])
    yield Upload(PHOTOGRAPHS, "museum/logo.png", None)


def large_image(pictures: dict[str, bytes]) -> bytes:
    """A scan of some 100 MB, as archives have them: all pictures on one wall, a pyramid TIFF."""
    import pyvips

    wanted = _WALL_COLUMNS * _WALL_ROWS
    large = sorted((name for name, body in pictures.items() if len(body) > _LARGER_THAN))
    tiles = [_on_the_wall(pictures[name]) for name in islice(cycle(large), wanted)]
    wall: Any = pyvips.Image.arrayjoin(tiles, across=_WALL_COLUMNS)
    return wall.tiffsave_buffer(tile=True, pyramid=True, compression="none")


def _on_the_wall(picture: bytes) -> Any:
    import pyvips

    tile: Any = pyvips.Image.thumbnail_buffer(
        picture, _WALL_TILE_PX, height=_WALL_TILE_PX, crop="centre"
    )
    return tile.colourspace("srgb").extract_band(0, n=3)


def _odd_objects(photo: bytes) -> dict[str, bytes]:
    return {
        "scan 1 + 2 (50%).png": photo,
        "double//slash.png": photo,
        "Ärger/ñandú/日本/😀.png": photo,
        '"><script>alert(1)</script>.png': photo,
        "a|b`c*d.png": photo,
        "deep/" + "/".join("abcdefgh") + "/picture.png": photo,
        "truncated.png": photo[: len(photo) // 2],
        "empty.jpg": b"",
        "not an image.jpg": b"This is text.\n",
        "README": b"No extension.\n",
        "folder marker/": b"",  # What a console leaves behind; not an object of the source.
    }


def _pictures() -> dict[str, bytes]:
    try:
        import skimage
    except ImportError as error:
        raise InvalidInput(
            "The demo's photographs are not installed.",
            hint="Install them with: pip install 's3pipelines[demo]'",
        ) from error
    folder = Path(skimage.__file__).parent / "data"
    files = sorted(path for path in folder.iterdir() if path.suffix in _PICTURES)
    return {path.name: path.read_bytes() for path in files}
