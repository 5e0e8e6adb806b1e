"""What is in a bucket, as a test compares it: bytes, metadata, class and tags of every object."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Held:
    """One object."""

    body: bytes
    content_type: str
    metadata: tuple[tuple[str, str], ...]
    storage_class: str
    tags: tuple[tuple[str, str], ...]


def contents(s3: Any, bucket: str, prefix: str = "") -> dict[str, Held]:
    """Every object of a bucket below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key: held(s3, bucket, key) for key in keys}


def held(s3: Any, bucket: str, key: str) -> Held:
    """One object."""
    found = s3.get_object(Bucket=bucket, Key=key)
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    return Held(
        body=found["Body"].read(),
        content_type=found["ContentType"],
        metadata=tuple(sorted(found["Metadata"].items())),
        storage_class=found.get("StorageClass", "STANDARD"),
        tags=tuple(sorted((tag["Key"], tag["Value"]) for tag in tags)),
    )
