"""Whether bytes are those of an object, by all that is known of it.

What S3 states of the whole object (an ETag that is an MD5, a checksum), and what an audit found,
must agree. An ETag or checksum that was made of parts proves something where the size of the parts
can be found out; the note of whoever uploaded it is a proof, too, where there is no better one.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from s3pipelines.core.datasets.fingerprints import SHA256_METADATA, is_md5
from s3pipelines.core.storage.verbs.multipart import part_size

_OF_PARTS = re.compile(r"[0-9a-f]{32}-\d+")
_COMPARED = ("sha256", "sha1", "crc32")
_WITHOUT_MD5 = ("aws:kms", "aws:kms:dsse")


@dataclass(frozen=True)
class Known:
    """What is known of an object before its bytes are read.

    Attributes:
        headers: Of the HEAD or GET, with lower-case names.
        sha256: In hexadecimal, as an audit found it; None if there was none.
    """

    size_bytes: int
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None

    @property
    def is_in_parts(self) -> bool:
        """Its ETag was made of parts."""
        return _OF_PARTS.fullmatch(self.etag) is not None

    @property
    def has_md5(self) -> bool:
        """Its ETag is the MD5 of its bytes; not so where keys of KMS or of customers encrypt."""
        by_customer = "x-amz-server-side-encryption-customer-algorithm" in self.headers
        kind = self.headers.get("x-amz-server-side-encryption")
        return is_md5(self.etag) and kind not in _WITHOUT_MD5 and not by_customer

    @property
    def checksums(self) -> dict[str, str]:
        """S3's checksums of the whole object that can be compared here, by algorithm."""
        if self.headers.get("x-amz-checksum-type") == "COMPOSITE":
            return {}
        found = {name: self.headers.get(f"x-amz-checksum-{name}") for name in _COMPARED}
        # A number of parts tells a composite one where nothing else does.
        return {name: value for name, value in found.items() if value and "-" not in value}

    @property
    def composite(self) -> str | None:
        """S3's SHA-256 of the digests of parts; of an object of many, if it tells one."""
        return self.headers.get("x-amz-checksum-sha256") if self.is_in_parts else None

    @property
    def noted_sha256(self) -> str | None:
        """What whoever uploaded it noted."""
        return self.headers.get(f"x-amz-meta-{SHA256_METADATA}")

    @property
    def part_bytes(self) -> int:
        """How large its parts were, as far as that can be guessed."""
        return part_size(self.size_bytes, self.etag, max(1, self.size_bytes))


def least_proof(known: Known) -> Known:
    """What suffices to know bytes for right: the SHA-256 of all of them, where that was noted.

    MD5s and checksums beside it take three times as long, and prove no more.
    """
    return known if known.sha256 is None else Known(known.size_bytes, "", {}, known.sha256)


class _Crc32:
    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes, /) -> None:
        self.value = zlib.crc32(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(4, "big")


class Prover:
    """Takes the bytes of an object in their order, and then tells whether they are right."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._size = 0
        self._sums: dict[str, Any] = {"sha256": hashlib.sha256()}
        if known.has_md5:
            self._sums["md5"] = hashlib.md5(usedforsecurity=False)
        if "sha1" in known.checksums:
            self._sums["sha1"] = hashlib.sha1(usedforsecurity=False)
        if "crc32" in known.checksums:
            self._sums["crc32"] = _Crc32()
        self._parts = _Parts(known.part_bytes) if known.is_in_parts else None

    def update(self, body: bytes) -> None:
        """The next bytes."""
        self._size += len(body)
        for one in self._sums.values():
            one.update(body)
        if self._parts is not None:
            self._parts.update(body)

    @property
    def sha256(self) -> str:
        """Of what was taken so far, in hexadecimal."""
        return self._sums["sha256"].hexdigest()

    def proofs(self) -> tuple[str, ...] | None:
        """What agrees (`size` always); None if something does not."""
        known = self._known
        stated = list(self._stated())
        if self._size != known.size_bytes or not all(agrees for _, agrees in stated):
            return None
        proven = ["size", *(name for name, _ in stated)]
        if self._parts is not None:
            if self._parts.etag == known.etag:
                proven.append("etag")
            if known.composite is not None and self._parts.is_composite(known.composite):
                proven.append("checksum")
        if len(proven) == 1 and known.noted_sha256 is not None:
            return ("size", "noted_sha256") if known.noted_sha256 == self.sha256 else None
        return tuple(dict.fromkeys(proven))

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """What does not agree, where `proofs` gives None."""
        wrong = [] if self._size == self._known.size_bytes else ["size"]
        wrong += [name for name, agrees in self._stated() if not agrees]
        return tuple(dict.fromkeys(wrong)) or ("noted_sha256",)

    def _stated(self) -> Iterable[tuple[str, bool]]:
        known = self._known
        if known.has_md5:
            yield "etag", self._sums["md5"].hexdigest() == known.etag
        if not known.is_in_parts:
            for name, value in known.checksums.items():
                digest = base64.b64encode(self._sums[name].digest()).decode()
                yield "checksum", digest == value
        if known.sha256 is not None:
            yield "audit", self.sha256 == known.sha256


class _Parts:
    """The digests of parts, of a size that is a guess."""

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._md5s: list[bytes] = []
        self._sha256s: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._left = self._part_bytes
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()

    def update(self, body: bytes) -> None:
        view = memoryview(body)
        while view:
            piece = view[: self._left]
            self._md5.update(piece)
            self._sha256.update(piece)
            self._left -= len(piece)
            view = view[len(piece) :]
            if not self._left:
                self._end()

    def _end(self) -> None:
        self._md5s.append(self._md5.digest())
        self._sha256s.append(self._sha256.digest())
        self._begin()

    def _finish(self) -> None:
        if self._left != self._part_bytes:
            self._end()

    @property
    def etag(self) -> str:
        self._finish()
        whole = hashlib.md5(b"".join(self._md5s), usedforsecurity=False).hexdigest()
        return f"{whole}-{len(self._md5s)}"

    def is_composite(self, told: str) -> bool:
        self._finish()
        whole = hashlib.sha256(b"".join(self._sha256s)).digest()
        return told.rpartition("-")[0] == base64.b64encode(whole).decode() or (
            told == base64.b64encode(whole).decode()
        )
