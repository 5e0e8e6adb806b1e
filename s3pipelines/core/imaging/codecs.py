"""Which codecs pyramids can be written with on this machine."""

from functools import lru_cache

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS, codecs_of

# What is written by these libraries within these limits, as each codec is tried.
_CODECS: dict[tuple[str, Limits], tuple[str, ...]] = {}


def require_codec(compression: str, pool: DecodePool | None = None) -> None:
    """Refuse a codec that the libvips of this machine cannot write.

    Args:
        compression: The codec.
        pool: Whose workers are asked; by default one that is started for it the first time, which
            takes some 0.5 s.

    Raises:
        InvalidInput: It cannot.
        RuntimeError: Workers do not start on this machine.
    """
    version, codecs = _asked() if pool is None else _told(pool)
    if compression not in codecs:
        raise InvalidInput(
            f"The libvips of this machine ({version}) writes no TIFF with {compression!r}.",
            hint=f"Use one of {', '.join(codecs)}, or a libvips with a libtiff that has it.",
        )


@lru_cache(maxsize=1)
def _asked() -> tuple[str, tuple[str, ...]]:
    with DecodePool(PYRAMID_LIMITS, workers=1) as pool:
        return _told(pool)


def _told(pool: DecodePool) -> tuple[str, tuple[str, ...]]:
    version = pool.reader_version
    found = _CODECS.get((version, pool.limits))
    if found is None:
        found = _CODECS[version, pool.limits] = tuple(codecs_of(pool))
    return version, found
