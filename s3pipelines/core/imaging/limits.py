"""What one image may cost."""

from dataclasses import asdict, dataclass
from typing import Any

_MB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What one image may cost, before and while it is decoded.

    Only what would be decoded counts: the first page of a document, the smallest level of a
    pyramid that will do, one frame of an animation.

    Attributes:
        max_pixels: Most pixels of an image that is read line by line (24 megapixels take 50 ms).
        max_decoded_bytes: Most bytes of an image that its format only decodes as a whole (AVIF,
            GIF, WebP, interlaced PNG, progressive JPEG, everything that Pillow reads).
        max_input_bytes: Largest file that is fetched to be decoded.
        max_header_bytes: Most that is fetched of a file to read its header.
        memory_bytes: What a worker may take beyond what it has when idle (address space).
        wall_s: How long one image may take, in seconds; also its limit of processor time.
        max_output_bytes: Largest file that may be written; 0: none at all.
    """

    max_pixels: int = 1_000_000_000
    max_decoded_bytes: int = 400 * _MB
    max_input_bytes: int = 4096 * _MB
    max_header_bytes: int = 64 * _MB
    memory_bytes: int = 1024 * _MB
    wall_s: float = 60
    max_output_bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Its fields, as they are sent to a worker."""
        return asdict(self)
