"""Lists of keys in files: one a line, or the CSV manifest of S3 Batch Operations."""

import csv
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from s3pipelines.core.errors import InvalidInput

_COLUMNS_WITH_VERSION = 3


@dataclass(frozen=True)
class KeyList:
    """Keys of one bucket; it is None if the file does not say which."""

    keys: frozenset[str]
    bucket: str | None = None


def read_keys(path: Path) -> KeyList:
    """The keys in a text file, one a line, exactly as the index has them.

    Raises:
        InvalidInput: The file cannot be read, or has none.
    """
    # Not `splitlines`, which also splits at characters that a key may hold.
    lines = (line.removesuffix("\r") for line in _text(path).split("\n"))
    keys = frozenset(line for line in lines if line)
    if not keys:
        raise InvalidInput(f"There is no key in {path}.", hint="Write one full key a line.")
    return KeyList(keys)


def read_batch_manifest(path: Path) -> KeyList:
    """The keys in a CSV manifest of S3 Batch Operations: bucket, key, and perhaps a version id.

    Keys are URL-encoded there. Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-create-job.html

    Raises:
        InvalidInput: The file cannot be read, is no such manifest, or names several buckets or
            versions.
    """
    keys: set[str] = set()
    buckets: set[str] = set()
    for number, row in enumerate(csv.reader(_text(path).splitlines()), start=1):
        if not row:
            continue
        if not 2 <= len(row) <= _COLUMNS_WITH_VERSION or not all(row[:2]):
            raise InvalidInput(
                f"Line {number} of {path} is not bucket,key or bucket,key,version.",
                hint="Give a CSV manifest of S3 Batch Operations, without a header.",
            )
        if len(row) == _COLUMNS_WITH_VERSION and row[2] not in ("", "null"):
            raise InvalidInput(
                f"Line {number} of {path} names the version {row[2]!r}.",
                hint="Only objects as they are now can be selected: leave the versions out.",
            )
        buckets.add(row[0])
        keys.add(unquote_plus(row[1]))
    if len(buckets) != 1:
        raise InvalidInput(
            f"{path} names {len(buckets)} buckets.", hint="Give a manifest of one bucket."
        )
    return KeyList(frozenset(keys), buckets.pop())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"The keys in {path} cannot be read ({error}).", hint="Give a UTF-8 text file."
        ) from error
