"""SHA-256 as S3 has it: of whole objects, and of the digests of parts."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

SHA256 = "x-amz-checksum-sha256"
# Begins an upload of which each part has its SHA-256.
IN_PARTS = {"x-amz-checksum-algorithm": "SHA256"}


@dataclass(frozen=True)
class Digest:
    """The SHA-256 of some bytes."""

    raw: bytes

    @classmethod
    def of(cls, body: bytes) -> "Digest":
        """The digest of `body`."""
        return cls(hashlib.sha256(body).digest())

    @property
    def hex(self) -> str:
        """In hexadecimal, as signatures and people have it."""
        return self.raw.hex()

    @property
    def text(self) -> str:
        """In base64, as S3's checksums are."""
        return base64.b64encode(self.raw).decode()

    @property
    def headers(self) -> dict[str, str]:
        """What has S3 compare, and keep, the checksum of what is sent."""
        return {"x-amz-sdk-checksum-algorithm": "SHA256", SHA256: self.text}


def composite(parts: Iterable[Digest]) -> str:
    """S3's checksum of an object that was uploaded in parts: that of their digests, and how many.

    Source: the S3 User Guide, "Checking object integrity", on composite checksums.
    """
    raws = [part.raw for part in parts]
    return f"{Digest.of(b''.join(raws)).text}-{len(raws)}"
