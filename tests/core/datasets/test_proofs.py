"""Whether bytes are those of an object."""

import base64
import hashlib
import zlib

import pytest

from s3pipelines.core.datasets.proofs import Known, Prover

BODY = b"0123456789" * 1000
MD5 = hashlib.md5(BODY).hexdigest()
SHA256 = hashlib.sha256(BODY)
NO_MD5 = "an-etag-of-another-kind"


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _proofs(known: Known, body: bytes = BODY) -> tuple[str, ...] | None:
    prover = Prover(known)
    for at in range(0, len(body), 777):
        prover.update(body[at : at + 777])
    return prover.proofs()


@pytest.mark.parametrize(
    ("etag", "headers", "sha256", "expected"),
    [
        (MD5, {}, None, ("size", "etag")),
        (NO_MD5, {}, None, ("size",)),
        (NO_MD5, {}, SHA256.hexdigest(), ("size", "audit")),
        (
            MD5,
            {"x-amz-checksum-sha256": _b64(SHA256.digest())},
            None,
            ("size", "etag", "checksum"),
        ),
        (
            NO_MD5,
            {"x-amz-checksum-crc32": _b64(zlib.crc32(BODY).to_bytes(4, "big"))},
            None,
            ("size", "checksum"),
        ),
        (
            NO_MD5,
            {"x-amz-checksum-sha1": _b64(hashlib.sha1(BODY).digest())},
            None,
            ("size", "checksum"),
        ),
        (NO_MD5, {"x-amz-checksum-crc64nvme": "AAAA"}, None, ("size",)),
        (NO_MD5, {"x-amz-meta-sha256": SHA256.hexdigest()}, None, ("size", "noted_sha256")),
        # Whoever noted it may have meant something else; what S3 states itself decides.
        (MD5, {"x-amz-meta-sha256": "of something else"}, None, ("size", "etag")),
        # With KMS, an ETag only looks like an MD5.
        ("0" * 32, {"x-amz-server-side-encryption": "aws:kms"}, None, ("size",)),
    ],
)
def test_what_agrees_is_told(etag, headers, sha256, expected):
    assert _proofs(Known(len(BODY), etag, headers, sha256)) == expected


@pytest.mark.parametrize(
    "known",
    [
        Known(len(BODY), "0" * 32),
        Known(len(BODY) + 1, MD5),
        Known(len(BODY), MD5, {}, "0" * 64),
        Known(len(BODY), MD5, {"x-amz-checksum-sha256": _b64(b"0" * 32)}),
        Known(len(BODY), NO_MD5, {"x-amz-checksum-crc32": "AAAAAA=="}),
        Known(len(BODY), NO_MD5, {"x-amz-meta-sha256": "0" * 64}),
    ],
)
def test_what_does_not_agree_is_no_proof_at_all(known: Known):
    assert _proofs(known) is None


def test_the_parts_of_a_multipart_object_are_guessed():
    part = 8 * 1024 * 1024
    body = BODY * (2 * part // len(BODY) + 3)
    parts = [body[at : at + part] for at in range(0, len(body), part)]
    md5s = b"".join(hashlib.md5(one).digest() for one in parts)
    sha256s = b"".join(hashlib.sha256(one).digest() for one in parts)
    etag = f"{hashlib.md5(md5s).hexdigest()}-{len(parts)}"
    composite = _b64(hashlib.sha256(sha256s).digest())

    for told in (composite, f"{composite}-{len(parts)}"):
        known = Known(len(body), etag, {"x-amz-checksum-sha256": told})
        assert _proofs(known, body) == ("size", "etag", "checksum")
    # Parts of a size that nobody uses: nothing is proven, and nothing disproven.
    assert _proofs(Known(len(body), f"{'0' * 32}-{len(parts)}"), body) == ("size",)
