"""The lists of what is in a bag: the manifest of SHA-256, and which object each file is."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from s3pipelines.core.datasets.download_state import DownloadState
from s3pipelines.core.datasets.members import Member, Members
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.fixity.bag_paths import in_manifest, named_for_bag

MANIFEST = "manifest-sha256.txt"
OBJECTS = "objects.csv"
_COLUMNS = ("path", "key", "size_bytes", "etag", "version_id", "sha256")


@dataclass(frozen=True)
class Payload:
    """How much is in a bag."""

    files: int
    size_bytes: int

    @property
    def oxum(self) -> str:
        """As BagIt has it: octets and streams."""
        return f"{self.size_bytes}.{self.files}"


def write_payload_lists(bag: Path, members: Members, kept: DownloadState) -> Payload:
    """Write the manifest and the table of objects, and see that nothing else is in `data/`.

    Files that an earlier, interrupted export has left, and that are no members any more, are
    removed.

    Raises:
        InvalidInput: There is a file in `data/` that no export has left there.
        OSError: They cannot be written.
    """
    kept.flush()
    # As hashes, as in `local_paths.Crowd`: a million of them take 60 MB.
    listed: set[int] = set()
    files = size_bytes = 0
    with (
        (bag / MANIFEST).open("w", encoding="utf-8", newline="\n") as manifest,
        (bag / OBJECTS).open("w", encoding="utf-8", newline="") as objects,
    ):
        table = csv.writer(objects)
        table.writerow(_COLUMNS)
        for member, sha256 in _downloaded(bag, members, kept):
            path = f"data/{member.name}"
            manifest.write(f"{sha256}  {in_manifest(path)}\n")
            version_id = member.version_id or ""
            row = (path, member.key, member.size_bytes, member.etag, version_id, sha256)
            table.writerow(row)
            listed.add(hash(member.name))
            files, size_bytes = files + 1, size_bytes + member.size_bytes
    _remove_others(bag / "data", listed, kept)
    return Payload(files, size_bytes)


def _downloaded(bag: Path, members: Members, kept: DownloadState) -> Iterator[tuple[Member, str]]:
    folder_bytes = len(os.fsencode((bag / "data").resolve()))
    for member, _ in named_for_bag(members, folder_bytes):
        whole = kept.whole(member.name)
        if whole is None or not whole.is_as_left(bag / "data" / member.name):
            raise InvalidInput(
                f"{bag / 'data' / member.name} was changed while the bag was made.",
                hint="Remove the file, and repeat the export.",
            )
        yield member, whole.sha256


def _remove_others(data: Path, listed: set[int], kept: DownloadState) -> None:
    for folder, _, names in os.walk(data):
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(data).as_posix()
            if hash(relative) in listed:
                continue
            left = kept.whole(relative)
            if left is None or not left.is_as_left(path):
                raise InvalidInput(
                    f"{path} is none of the files of this bag.",
                    hint="Remove it, and repeat the export.",
                )
            path.unlink()
