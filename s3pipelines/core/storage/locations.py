"""Where things are: a folder of a bucket (`s3://bucket/prefix/`) or a folder of this machine."""

import re
from dataclasses import dataclass
from pathlib import Path

from s3pipelines.core.errors import InvalidInput

# S3's own rules for general purpose buckets, plus the underscores and capitals of old ones.
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
# deltalake encodes any other character of a prefix twice, so that tables would lie elsewhere than
# the documents beside them (seen with 1.6.6: `a b/` became `a%2520b/`), and drops `..` and `//`.
_OWN_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._=-]+")
# What deltalake 1.6.6 panics at, or DuckDB 1.5.5 reads as a pattern, in the path of a folder.
_ODD_IN_FOLDERS = re.compile(r"[%\[\]^|\\*?\x00-\x1f\x7f]")


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
        below = relative.strip("/")
        return S3Location(self.bucket, f"{self.prefix}{below}/") if below else self


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
        return FolderLocation(self.path / relative.strip("/"))


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
    """Read where the project keeps something of its own: `s3://bucket/prefix` or a local folder.

    Raises:
        InvalidInput: `text` names neither, or holds characters that would lead the libraries
            behind the tables to another place.
    """
    if not text.strip():
        raise InvalidInput("The location is empty.", hint="Write s3://BUCKET/PREFIX or a folder.")
    if "://" not in text:
        return _parse_folder(text)
    location = parse_s3_location(text)
    segments = location.prefix.split("/")[:-1]
    if not all(_OWN_SEGMENT.fullmatch(segment) for segment in segments):
        raise InvalidInput(
            f"The prefix {location.prefix!r} cannot hold the project's own data.",
            hint="Use letters, digits, '.', '_', '-' and '=' between single slashes.",
        )
    return location


def _parse_folder(text: str) -> FolderLocation:
    try:
        path = Path(text).expanduser().absolute()
    except RuntimeError as error:  # `~nobody`
        raise InvalidInput(f"There is no folder {text!r}.", hint="Write its full path.") from error
    if odd := _ODD_IN_FOLDERS.search(str(path)):
        raise InvalidInput(
            f"The folder {str(path)!r} has a {odd.group()!r} in its path.",
            hint="Choose a folder without any of % [ ] ^ | \\ * ? and control characters.",
        )
    return FolderLocation(path)
