"""Exporting objects as a bag: a folder that proves itself (BagIt 1.0, RFC 8493).

It is a download into `data/`, which goes on where it was interrupted. What makes a folder a bag,
`bagit.txt`, is written last of all, and only if every chosen object is there.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.download_state import DownloadState
from s3pipelines.core.datasets.downloading import (
    RANGE_BYTES,
    Download,
    Progress,
    download_members,
)
from s3pipelines.core.datasets.downloading import Wanted as ToDownload
from s3pipelines.core.datasets.local_paths import STATE_FOLDER
from s3pipelines.core.datasets.members import Members, select_members
from s3pipelines.core.datasets.states import SourceState, source_state
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.fixity.bag_files import DECLARATION, BagInfo, write_tag_files
from s3pipelines.core.fixity.bag_paths import named_for_bag
from s3pipelines.core.fixity.payload import Payload, write_payload_lists
from s3pipelines.core.sql.selection import Selection

# Set down before anything else, so that another folder of files is never taken for a bag.
_BEGUN = "export-of"


@dataclass(frozen=True)
class Wanted:
    """What is to be exported.

    Attributes:
        name: The source, or `ID@VERSION`.
        folder: The bag; it does not exist yet, is empty, or is one that was interrupted.
        selection: Which of the objects.
        range_bytes: What is larger is fetched in ranges of this size.
    """

    name: str
    folder: Path
    selection: Selection = field(default_factory=Selection)
    range_bytes: int = RANGE_BYTES


@dataclass(frozen=True)
class Bag:
    """What became of it.

    Attributes:
        downloaded: The payload, and what failed of it.
        payload: How much it is; None if something failed, and so there is no bag yet.
    """

    downloaded: Download
    payload: Payload | None

    @property
    def is_complete(self) -> bool:
        """The folder is a bag."""
        return self.payload is not None


def export_bag(catalog: Catalog, wanted: Wanted, progress: Progress | None = None) -> Bag:
    """Download the chosen objects into a bag.

    Raises:
        NotFound: There is no such source, or version of it.
        InvalidInput: The selection is wrong, or the folder is a bag already, holds other files, or
            cannot be written.
        Busy: Another process exports into the folder.
        StorageError: The bucket, or the catalog, cannot be used at all.
    """
    state = source_state(catalog, wanted.name)
    own = wanted.folder / STATE_FOLDER
    _begin(wanted.folder, own, state)
    with (
        select_members(catalog, state, wanted.selection) as members,
        DownloadState(wanted.folder / "data", own) as kept,
    ):
        to_download = ToDownload(
            wanted.name,
            wanted.folder / "data",
            wanted.selection,
            range_bytes=wanted.range_bytes,
            naming=named_for_bag,
        )
        done = download_members(catalog, state, members, kept, to_download, progress)
        if done.failed:
            return Bag(done, None)
        payload = _closed(wanted, state, members, kept)
    shutil.rmtree(own, ignore_errors=True)
    return Bag(done, payload)


def _begin(folder: Path, own: Path, state: SourceState) -> None:
    """Set down that the folder is going to be a bag of this source, unless it is something else."""
    try:
        _refuse_other_folders(folder, own / _BEGUN, state.source.id)
        own.mkdir(parents=True, exist_ok=True)
        (own / _BEGUN).write_text(state.source.id, encoding="utf-8")
    except OSError as error:
        raise _not_written(folder, error) from error


def _refuse_other_folders(folder: Path, begun: Path, source_id: str) -> None:
    if (folder / DECLARATION).exists():
        raise InvalidInput(
            f"{folder} is a complete bag already.", hint="Choose another folder, or remove it."
        )
    if begun.is_file():
        other = begun.read_text(encoding="utf-8")
        if other not in ("", source_id):
            raise InvalidInput(
                f"An export of the source {other!r} was begun in {folder}.",
                hint="Choose another folder, or remove it.",
            )
    elif folder.exists() and any(path.name != STATE_FOLDER for path in folder.iterdir()):
        raise InvalidInput(
            f"The folder {folder} is not empty.", hint="Choose another with --bagit."
        )


def _closed(wanted: Wanted, state: SourceState, members: Members, kept: DownloadState) -> Payload:
    """Write all that stands beside the payload."""
    try:
        payload = write_payload_lists(wanted.folder, members, kept)
        write_tag_files(wanted.folder, BagInfo(state, wanted.selection, payload))
    except OSError as error:
        raise _not_written(wanted.folder, error) from error
    return payload


def _not_written(folder: Path, error: OSError) -> InvalidInput:
    return InvalidInput(
        f"The bag {folder} cannot be written ({error.strerror or error}).",
        hint="Check the permissions of the folder, and the room on its disk; repeat it then.",
    )
