"""Removing derivatives whose object is gone, so that whoever is killed anywhere does no harm.

The files of a batch are marked as removed in the table, then they are removed, and then the table
says that they are gone. A process that dies in between leaves rows that still name a file, and the
next one goes on with them. All of it happens under the lease of the index, in which no object can
come back meanwhile. If it does later, its latest row says that there is nothing, so that it is made
again; also where a run that had begun before the object was deleted wrote the file once more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import DERIVATIVES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.imaging.orphans import FILE_KINDS, OrphanRow, orphan_rows
from s3pipelines.core.imaging.outcomes import REMOVED
from s3pipelines.core.imaging.wishes import Kind
from s3pipelines.core.sources.leases import index_lease
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.storage.derived_removal import remove_files
from s3pipelines.core.storage.leases import Lease, hold

# A second or two under the lease, which the index waits for.
_BATCH_FILES = 5000
_DETAIL = "Its object was deleted, and so was what had been made of it."


@dataclass(frozen=True)
class Left:
    """A file that is still there, and why."""

    uri: str
    why: str


@dataclass
class Removal:
    """What was removed.

    Attributes:
        files: How many files.
        size_bytes: Their size together.
        left: What could not be removed.
    """

    files: int = 0
    size_bytes: int = 0
    left: list[Left] = field(default_factory=list)


def remove_orphans(
    catalog: Catalog,
    source_id: str,
    kinds: Sequence[Kind] = FILE_KINDS,
    progress: Callable[[int], None] = lambda _: None,
) -> Removal:
    """Remove what was made of objects that are no longer in the index of a source.

    Args:
        catalog: Where the tables are.
        source_id: A registered source.
        kinds: What is removed.
        progress: Is told how many files were looked at.

    Raises:
        NotFound: There is no such source.
        Busy: Its index is being written for a long time.
        StorageError: The catalog, or the place for derivatives, cannot be used.
    """
    get_source(catalog, source_id)
    done, after = Removal(), ""
    while True:
        purpose = f"Removing what was made of deleted objects of {source_id!r}"
        with hold(catalog.documents, index_lease(source_id), purpose) as lease:
            rows = _next_rows(catalog, source_id, kinds, after)
            if not rows:
                return done
            _remove(catalog, source_id, rows, lease, done)
        after = rows[-1].uri
        progress(done.files + len(done.left))


def _next_rows(
    catalog: Catalog, source_id: str, kinds: Sequence[Kind], after: str
) -> list[OrphanRow]:
    get_source(catalog, source_id)  # It may have been deleted, and registered anew.
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, OBJECTS, DERIVATIVES)
        return orphan_rows(connection, kinds, after, _BATCH_FILES)


def _remove(
    catalog: Catalog, source_id: str, rows: Sequence[OrphanRow], lease: Lease, done: Removal
) -> None:
    location = catalog.derivatives_location(source_id)
    base = f"{location.uri.rstrip('/')}/"
    sizes = {row.uri: row.size_bytes for row in rows}
    elsewhere = [uri for uri in sizes if not uri.startswith(base)]
    done.left += [Left(uri, f"It lies elsewhere than below {base}.") for uri in elsewhere]
    here = [row for row in rows if row.uri.startswith(base)]
    lease.confirm()
    append_rows(catalog, DERIVATIVES, [_marked(source_id, row, row.uri) for row in here])
    lease.confirm()
    names = sorted({row.uri.removeprefix(base) for row in here})
    refused = remove_files(location, catalog.access, names)
    failed = {base + name: why for name, why in refused.items()}
    done.left += [Left(uri, why) for uri, why in failed.items()]
    gone = [row for row in here if row.uri not in failed]
    append_rows(catalog, DERIVATIVES, [_marked(source_id, row, None) for row in gone])
    done.files += len(names) - len(failed)
    done.size_bytes += sum(sizes[uri] for uri in {row.uri for row in gone})


def _marked(source_id: str, row: OrphanRow, uri: str | None) -> dict[str, Any]:
    """A row that holds from now on; with its file for as long as that may be there."""
    return {
        **dict.fromkeys(DERIVATIVES.column_names),
        "source": source_id,
        "key": row.key,
        "etag": row.etag,
        "kind": row.kind,
        "params_digest": row.params_digest,
        "uri": uri,
        "size_bytes": row.size_bytes if uri else None,
        "status": "skipped",
        "error": REMOVED,
        "error_detail": _DETAIL,
        "duration_s": 0.0,
        "made_at": datetime.now(UTC),
        "reader_version": "",
    }
