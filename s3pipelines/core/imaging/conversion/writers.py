"""Which formats and codecs this machine can write."""

from functools import lru_cache

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.conversion.making import CONVERSION_LIMITS, formats_of
from s3pipelines.core.imaging.conversion.output import Output
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS, TiffOutput
from s3pipelines.core.imaging.pool import DecodePool


def require_writable(output: Output) -> None:
    """Refuse a format, or a codec, that this machine cannot write.

    Starts a worker the first time, which takes about a second.

    Raises:
        InvalidInput: It cannot; the hint says what it can.
        RuntimeError: Workers do not start on this machine.
    """
    version, formats = _asked()
    if output.name not in formats:
        can = ", ".join(name for name in OUTPUTS if name in formats)
        raise InvalidInput(
            f"This machine writes no {output.title} ({version}).", hint=f"It writes {can}."
        )
    if isinstance(output, TiffOutput) and output.compression not in formats["tiff"]:
        raise InvalidInput(
            f"This machine writes no TIFF with {output.compression!r} ({version}).",
            hint=f"It writes TIFF with {', '.join(formats['tiff'])}.",
        )


@lru_cache(maxsize=1)
def _asked() -> tuple[str, dict[str, list[str]]]:
    with DecodePool(CONVERSION_LIMITS, workers=1) as pool:
        return pool.reader_version, formats_of(pool)
