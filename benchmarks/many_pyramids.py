"""Pyramids of 1,000 photographs of 2 megapixels, from S3 to S3, beside what people do.

Everybody makes TIFF with JPEG of quality 85. Ours and those of `vips` have tiles of 256 px; Pillow
writes no tiles, so its levels are in strips.
"""

from benchmarks.many_images import Contest, contest

# A process an image, as `vips` takes one; one thread each, as two processes share two cores.
_MAKING = """find "$1/in" -name '*.jpg' -print0 | VIPS_CONCURRENCY=1 xargs -0 -P 2 -I FILE sh -c '
    vips tiffsave "$1" "$2/out/$(basename "$1" .jpg).tif" --tile --pyramid --compression jpeg \\
        --Q 85 --tile-width 256 --tile-height 256' sh FILE "$1"
"""
_HOW = Contest("pyramids_by_us", "pyramids_by_pillow", "vips", _MAKING)


def run(objects: int, rounds: int) -> str:
    """A table for each latency, of `objects` photographs, at most 1,000.

    Raises:
        Unavailable: There is no fake server, no scikit-image, or no s5cmd.
    """
    return contest(_HOW, objects, rounds)
