"""Thumbnails of 1,000 photographs of 2 megapixels, from S3 to S3, beside what people do.

Everybody makes WebP of quality 80 in a box of 400 px.
"""

from benchmarks.many_images import Contest, contest

# One thread of libvips a process, as two processes share two cores.
_MAKING = """find "$1/in" -name '*.jpg' -print0 | VIPS_CONCURRENCY=1 xargs -0 -P 2 -n 50 \\
    vipsthumbnail --size '400x400>' -o "$1/out/%s.webp[Q=80,strip]"
"""
_HOW = Contest("thumbnails_by_us", "thumbnails_by_pillow", "vipsthumbnail", _MAKING)


def run(objects: int, rounds: int) -> str:
    """A table for each latency, of `objects` photographs, at most 1,000.

    Raises:
        Unavailable: There is no fake server, no scikit-image, or no s5cmd.
    """
    return contest(_HOW, objects, rounds)
