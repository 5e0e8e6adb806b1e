"""What an answer to ListObjectVersions says: which version of each key is the latest one."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus
from xml.etree import ElementTree

import pyarrow as pa

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.listing.pages import LISTED_VERSIONS, not_usable
from s3pipelines.core.storage.listing.parsing import columns_of_entries, name_of, root_of
from s3pipelines.core.storage.locations import S3Location

_VERSION, _MARKER = "Version", "DeleteMarker"
_COLUMNS = ("Key", "Size", "ETag", "LastModified", "StorageClass", "VersionId")


@dataclass(frozen=True)
class VersionsAnswer:
    """A parsed answer.

    Attributes:
        objects: The latest versions that are no delete markers, of schema `LISTED_VERSIONS`, in the
            order of the answer.
        entries: How many versions and delete markers there are.
        first_key: The first key of them all; empty if there is none.
        last_key: The last one.
        last_known: The last key whose latest version or delete marker is among them, or can no
            longer come; empty if there is none.
        is_last: Nothing follows.
        token: Parameters of the next request, as they stand in an address; empty if none follows.
    """

    objects: pa.RecordBatch
    entries: int
    first_key: str
    last_key: str
    last_known: str
    is_last: bool
    token: str


def parse_versions(body: bytes, location: S3Location) -> VersionsAnswer:
    """Read an answer about `location`.

    Some servers list versions and delete markers apart; nothing here relies on their order.

    Raises:
        StorageError: It is not a listing that can be relied on.
    """
    root = root_of(body, location)
    if name_of(root) == "ListBucketResult":
        raise StorageError(
            f"The server of {location.uri} lists objects where it is asked for versions.",
            hint="Register the source with --no-versions.",
        )
    said = {name_of(child): child.text or "" for child in root}
    if "IsTruncated" not in said:
        raise not_usable(location, "does not say whether it is complete")
    is_last = said["IsTruncated"].strip().lower() != "true"
    decode = unquote_plus if said.get("EncodingType") == "url" else str
    token = "" if is_last else _token(said, decode, location)
    return _read(root, decode, location, is_last, token)


def _read(
    root: ElementTree.Element,
    decode: Callable[[str], str],
    location: S3Location,
    is_last: bool,
    token: str,
) -> VersionsAnswer:
    keys: set[str] = set()
    settled: set[str] = set()
    latest: list[ElementTree.Element] = []
    entries = 0
    # The names of an answer are all in one namespace.
    space = root.tag.removesuffix(name_of(root))
    for entry in root:
        name = name_of(entry)
        if name not in (_VERSION, _MARKER):
            continue
        entries += 1
        key = entry.findtext(f"{space}Key")
        if key is None:
            raise not_usable(location, "has versions without a key")
        keys.add(key)
        if (entry.findtext(f"{space}IsLatest") or "").strip().lower() == "true":
            settled.add(key)
            if name == _VERSION:
                latest.append(entry)
    decoded = {key: decode(key) for key in keys}
    ordered = sorted(decoded.values())
    # Of the last key the latest one may be still to come; of those before it, none is.
    is_open = not is_last and ordered and ordered[-1] not in {decoded[key] for key in settled}
    passed = ordered[:-1] if is_open else ordered
    return VersionsAnswer(
        objects=_objects(latest, decode, location),
        entries=entries,
        first_key=ordered[0] if ordered else "",
        last_key=ordered[-1] if ordered else "",
        last_known=passed[-1] if passed else "",
        is_last=is_last,
        token=token,
    )


def _objects(
    latest: list[ElementTree.Element], decode: Callable[[str], str], location: S3Location
) -> pa.RecordBatch:
    columns = columns_of_entries(latest, location)
    keys = pa.array([decode(key) for key in columns["Key"].to_pylist()], type=pa.string())
    arrays = [keys, *(columns[name] for name in _COLUMNS[1:])]
    return pa.RecordBatch.from_arrays(arrays, schema=LISTED_VERSIONS)


def _token(said: dict[str, str], decode: Callable[[str], str], location: S3Location) -> str:
    key, version = decode(said.get("NextKeyMarker", "")), said.get("NextVersionIdMarker", "")
    if not key:
        raise not_usable(location, "says that it goes on, but not how")
    named = f"key-marker={quote(key, safe='')}"
    return f"{named}&version-id-marker={quote(version, safe='')}" if version else named
