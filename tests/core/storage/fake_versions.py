"""A bucket that keeps versions, for what moto cannot do: odd keys, any key to go on after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.core.storage.fake_s3 import Answer, Asked


@dataclass(frozen=True)
class Entry:
    """One version, or delete marker, as a server keeps it."""

    key: str
    version_id: str
    is_marker: bool
    is_latest: bool


@dataclass(frozen=True)
class Manner:
    """In what servers differ.

    Attributes:
        oldest_first: The versions of a key come in the order in which they were written.
        apart: Delete markers come behind the versions of a page.
        names_key_again: Behind a key alone come that key's versions once more.
        encodes: Keys are encoded as asked.
    """

    oldest_first: bool = False
    apart: bool = False
    names_key_again: bool = False
    encodes: bool = True


AS_S3 = Manner()
History = Mapping[str, Sequence[bool]]


def entries_of(history: History, manner: Manner = AS_S3) -> list[Entry]:
    """All entries in the server's order.

    Args:
        history: By key, the oldest first: is it a delete marker?
        manner: The server's.
    """
    found = []
    for key in sorted(history, key=str.encode):
        count = len(history[key])
        some = [
            Entry(key, f"{key.encode().hex()}.{number}", is_marker, number == count - 1)
            for number, is_marker in enumerate(history[key])
        ]
        found += some if manner.oldest_first else reversed(some)
    return found


def latest_of(history: History) -> list[tuple[str, str]]:
    """Key and version id of each object."""
    entries = entries_of(history)
    return [(e.key, e.version_id) for e in entries if e.is_latest and not e.is_marker]


def bucket_of_versions(
    history: History, manner: Manner = AS_S3, status: str = "Enabled"
) -> Callable[[Asked], Answer]:
    """Answers ListObjectVersions and GetBucketVersioning over a history."""
    entries = entries_of(history, manner)

    def answer(asked: Asked) -> Answer:
        query = asked.query
        if "versioning" in query:
            return versioning_answer(status)
        assert "versions" in query
        left = [e for e in entries if e.key.startswith(query.get("prefix", ""))]
        left = left[_start(left, query, manner) :]
        size = int(query.get("max-keys", 1000))
        return versions_answer(left[:size], asked, manner, is_truncated=len(left) > size)

    return answer


def versioning_answer(status: str) -> Answer:
    """What GetBucketVersioning says."""
    said = f"<Status>{status}</Status>" if status else ""
    body = f"<VersioningConfiguration>{said}</VersioningConfiguration>"
    return Answer(body=body.encode())


def _start(entries: list[Entry], query: Mapping[str, str], manner: Manner) -> int:
    key, version = query.get("key-marker", ""), query.get("version-id-marker", "")
    if not key:
        return 0
    for place, entry in enumerate(entries):
        if version and (entry.key, entry.version_id) == (key, version):
            return place + 1
        behind = entry.key.encode() > key.encode()
        if behind or (not version and manner.names_key_again and entry.key == key):
            return place
    return len(entries)


def versions_answer(
    entries: Sequence[Entry], asked: Asked, manner: Manner = AS_S3, *, is_truncated: bool = False
) -> Answer:
    """One page of ListObjectVersions that holds these entries."""
    encodes = manner.encodes and asked.query.get("encoding-type") == "url"

    def shown(key: str) -> str:
        return quote(key, safe="/-_.*").replace("%20", "+") if encodes else escape(key)

    ordered = sorted(entries, key=lambda e: e.is_marker) if manner.apart else entries
    rows = "".join(_row(entry, shown(entry.key)) for entry in ordered)
    last = entries[-1] if entries else None
    if is_truncated and last:
        end = (
            f"<IsTruncated>true</IsTruncated><NextKeyMarker>{shown(last.key)}</NextKeyMarker>"
            f"<NextVersionIdMarker>{last.version_id}</NextVersionIdMarker>"
        )
    else:
        end = "<IsTruncated>false</IsTruncated>"
    encoding = "<EncodingType>url</EncodingType>" if encodes else ""
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    body = f"<ListVersionsResult {space}>{encoding}{end}{rows}</ListVersionsResult>"
    return Answer(body=body.encode())


def _row(entry: Entry, shown: str) -> str:
    common = (
        f"<Key>{shown}</Key><VersionId>{entry.version_id}</VersionId>"
        f"<IsLatest>{str(entry.is_latest).lower()}</IsLatest>"
        "<LastModified>2024-05-06T07:08:09.000Z</LastModified>"
    )
    if entry.is_marker:
        return f"<DeleteMarker>{common}<Owner><ID>me</ID></Owner></DeleteMarker>"
    size = len(entry.key)
    return (
        f"<Version>{common}<ETag>&quot;e{size}&quot;</ETag><Size>{size}</Size>"
        "<StorageClass>STANDARD</StorageClass><Owner><ID>me</ID></Owner></Version>"
    )
