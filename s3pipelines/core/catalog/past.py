"""The index of a source as it was: at a version of the table `objects`, or at a time.

A version means both tables as they were in the last moment in which that version of `objects` was
the newest: with the part of the tail that had come by then. A time means both as of that time.
Times are those that the commits say of themselves, by the clocks of their writers.
"""

from datetime import UTC, datetime

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.commits import CommitLog
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.catalog.key_ranges import KeyFile, files_of_version
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL, TableSchema
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import AccessDenied, InvalidInput, NotFound, StorageError

Moment = int | datetime

KEPT_FOR = (
    "Versions are kept for as many days as S3PIPELINES_KEEP_VERSIONS_DAYS says (30 by default); "
    "'s3pipelines index history --source ID' shows those that are left."
)
MOMENT_HINT = "Give a version, or a time in UTC, for example 12 or 2026-11-20T12:00:00."


def moment_of_text(text: str) -> Moment:
    """A version, or a time: ISO 8601, in UTC unless it says otherwise; a date is its beginning.

    Raises:
        InvalidInput: It is neither.
    """
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit():
        return int(stripped)
    try:
        at = datetime.fromisoformat(stripped)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{text!r} is neither a version nor a time.", hint=MOMENT_HINT
        ) from error


def text_of_moment(moment: Moment) -> str:
    """How a message names it."""
    return f"version {moment}" if isinstance(moment, int) else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def index_at(catalog: Catalog, source_id: str, moment: Moment) -> IndexFiles:
    """The state of the index of a source at a version or time.

    Raises:
        NotFound: There was no such state, or it is kept no longer.
        StorageError: The catalog cannot be read.
    """
    tail = CommitLog(catalog, OBJECTS_TAIL)
    _ = tail.versions  # First, see `with_tail`.
    merged = CommitLog(catalog, OBJECTS)
    version, tail_version = _versions(merged, tail, moment)
    return IndexFiles(
        source_id,
        _files(merged, source_id, version, moment),
        () if tail_version is None else _files(tail, source_id, tail_version, moment),
    )


def _versions(merged: CommitLog, tail: CommitLog, moment: Moment) -> tuple[int, int | None]:
    """The versions of the two tables that belong to a moment."""
    if isinstance(moment, datetime):
        version = merged.last_until(moment)
        if version is None:
            raise _not_there(merged, moment)
        return version, _tail_version(tail, tail.last_until(moment), moment)
    if moment not in merged.versions:
        raise _not_there(merged, moment)
    following = merged.versions[merged.versions.index(moment) + 1 :]
    if not following:
        return moment, tail.versions[-1] if tail.versions else None
    # The next version may have been written because of what stood in the tail.
    end = merged.commit(following[0]).at
    return moment, _tail_version(tail, tail.last_before(end), moment)


def _tail_version(tail: CommitLog, version: int | None, moment: Moment) -> int | None:
    if version is None and not tail.is_whole:
        raise no_longer_kept(moment)
    return version


def _not_there(log: CommitLog, moment: Moment) -> NotFound:
    if not log.versions:
        return NotFound(
            "There is no index yet.", hint="Run 's3pipelines index refresh --source ID' first."
        )
    if isinstance(moment, int) and moment > log.versions[-1]:
        return NotFound(
            f"There is no version {moment} of the index; the newest is {log.versions[-1]}.",
            hint="See them with 's3pipelines index history --source ID'.",
        )
    if log.is_whole:
        first = text_of_moment(log.commit(0).at)
        return NotFound(
            f"There was no index at {text_of_moment(moment)}; it begins at {first}.",
            hint=MOMENT_HINT,
        )
    return no_longer_kept(moment)


def no_longer_kept(moment: Moment) -> NotFound:
    """The error for a state of which files or the log were removed."""
    return NotFound(
        f"The index at {text_of_moment(moment)} is kept no longer.",
        hint=KEPT_FOR,
    )


def _files(log: CommitLog, source_id: str, version: int, moment: Moment) -> tuple[KeyFile, ...]:
    catalog, schema = log.catalog, log.schema
    try:
        table = open_table(catalog, schema, version)
        files = files_of_version(catalog, schema, table).get(source_id, [])
    except AccessDenied:
        raise
    except StorageError as error:
        if log.is_whole:
            raise
        raise no_longer_kept(moment) from error  # There is no checkpoint to begin with.
    if version != log.versions[-1]:
        _require_files(catalog, schema, source_id, files, moment)
    return tuple(files)


def _require_files(
    catalog: Catalog, schema: TableSchema, source_id: str, files: list[KeyFile], moment: Moment
) -> None:
    """See that none was removed: a query would only find out in the middle of its answer."""
    if not files:
        return
    there = set(catalog.documents.names(f"tables/{schema.name}/source={source_id}/"))
    uri = catalog.table_uri(schema.name)
    needed = {f"tables/{schema.name}{file.uri.removeprefix(uri)}" for file in files}
    if needed - there:
        raise no_longer_kept(moment)
