"""Which codecs pyramids can be written with on this machine."""

from functools import lru_cache

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS, codecs_of


def require_codec(compression: str) -> None:
    """Refuse a codec that the libvips of this machine cannot write.

    Starts a worker the first time, which takes some 0.5 s.

    Raises:
        InvalidInput: It cannot.
        RuntimeError: Workers do not start on this machine.
    """
    version, codecs = _asked()
    if compression not in codecs:
        raise InvalidInput(
            f"The libvips of this machine ({version}) writes no TIFF with {compression!r}.",
            hint=f"Use one of {', '.join(codecs)}, or a libvips with a libtiff that has it.",
        )


@lru_cache(maxsize=1)
def _asked() -> tuple[str, tuple[str, ...]]:
    with DecodePool(PYRAMID_LIMITS, workers=1) as pool:
        return pool.reader_version, tuple(codecs_of(pool))
