"""Where things are: a folder of a bucket (`s3://bucket/prefix/`) or a folder of this machine."""

import re
from dataclasses import dataclass
from pathlib import Path

from s3pipelines.core.errors import InvalidInput

# S3's own rules for general purpose buckets, plus the underscores and capitals of old ones.
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


@dataclass(frozen=True)
class S3Location:
    """A bucket and a key prefix that is empty or ends with `/`, so it means whole segments."""

    bucket: str
    prefix: str = ""

    @property
    def uri(self) -> str:
        """The location as `s3://bucket/prefix/`."""
        return f"s3://{self.bucket}/{self.prefix}"

    def contains(self, other: "S3Location") -> bool:
        """Tell whether every key below `other` is also below this location."""
        return self.bucket == other.bucket and other.prefix.startswith(self.prefix)

    def overlaps(self, other: "S3Location") -> bool:
        """Tell whether one of the two locations contains the other."""
        return self.contains(other) or other.contains(self)

    def child(self, relative: str) -> "S3Location":
        """The folder `relative` below this one."""
        return S3Location(self.bucket, self.prefix + relative.strip("/") + "/")


@dataclass(frozen=True)
class FolderLocation:
    """A folder of this machine."""

    path: Path

    @property
    def uri(self) -> str:
        """The absolute path, without a trailing slash."""
        return str(self.path)

    def child(self, relative: str) -> "FolderLocation":
        """The folder `relative` below this one."""
        return FolderLocation(self.path / relative)


Location = S3Location | FolderLocation


def parse_s3_location(text: str) -> S3Location:
    """Read `s3://bucket/prefix`; the prefix means the folder `prefix/`.

    Raises:
        InvalidInput: `text` is not an S3 location.
    """
    scheme, separator, rest = text.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme.lower() != "s3" or not separator or not _BUCKET_NAME.fullmatch(bucket):
        raise InvalidInput(f"{text!r} is not an S3 path.", hint="Write s3://BUCKET/PREFIX.")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    return S3Location(bucket, prefix)


def parse_location(text: str) -> Location:
    """Read `s3://bucket/prefix` or the path of a local folder.

    Raises:
        InvalidInput: `text` names neither.
    """
    if not text.strip():
        raise InvalidInput("The location is empty.", hint="Write s3://BUCKET/PREFIX or a folder.")
    if "://" in text:
        return parse_s3_location(text)
    return FolderLocation(Path(text).expanduser().absolute())
