"""What stands in a bag beside the payload: what it is, by whom, and the digests of that.

Source: RFC 8493, The BagIt File Packaging Format, version 1.0.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path

from s3pipelines.core.datasets.states import SourceState
from s3pipelines.core.errors import printable
from s3pipelines.core.fixity.payload import MANIFEST, OBJECTS, Payload
from s3pipelines.core.preview.wording import human_bytes
from s3pipelines.core.sql.selection import Selection

DECLARATION = "bagit.txt"
_DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_INFO = "bag-info.txt"
_TAG_MANIFEST = "tagmanifest-sha256.txt"
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class BagInfo:
    """What `bag-info.txt` tells."""

    state: SourceState
    selection: Selection
    payload: Payload

    def lines(self) -> Iterator[tuple[str, str]]:
        """Labels and values; the reserved ones first."""
        source, version = self.state.source, self.state.version
        yield "Bagging-Date", f"{datetime.now(UTC):%Y-%m-%d}"
        yield "Bag-Size", human_bytes(self.payload.size_bytes)
        yield "Payload-Oxum", self.payload.oxum
        yield "External-Identifier", self.state.name
        if source.description:
            yield "External-Description", source.description
        yield "Bag-Software-Agent", f"s3pipelines {version_of('s3pipelines')}"
        yield "Source-Location", source.location.uri
        if version is not None:
            yield "Source-Version", str(version.number)
            yield "Source-Version-Date", f"{version.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            if version.message:
                yield "Source-Version-Message", version.message
        if not self.selection.is_everything:
            yield "Selection", str(self.selection)


def write_tag_files(bag: Path, info: BagInfo) -> None:
    """Write all of them; the declaration, which makes the folder a bag, last.

    Raises:
        OSError: They cannot be written.
    """
    lines = "".join(f"{label}: {printable(value)}\n" for label, value in info.lines())
    (bag / _INFO).write_bytes(lines.encode())
    digests = {name: _sha256_of(bag / name) for name in (_INFO, MANIFEST, OBJECTS)}
    digests[DECLARATION] = hashlib.sha256(_DECLARED).hexdigest()
    text = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    (bag / _TAG_MANIFEST).write_bytes(text.encode())
    # What the declaration vouches for has to be on the disk before it.
    os.sync()
    part = bag / f".{DECLARATION}.part"
    part.write_bytes(_DECLARED)
    part.replace(bag / DECLARATION)


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while body := file.read(_READ_BYTES):
            digest.update(body)
    return digest.hexdigest()
