"""`empty-trash`: delete for good what other plans have kept in the trash of a source."""

from pydantic import Field

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.actions.for_good import delete_all_versions
from s3pipelines.core.batch.outcomes import failed
from s3pipelines.core.batch.removal import Removed, remove
from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.errors import Gone, InvalidInput


class EmptyTrashParams(Params):
    """What of the trash is deleted."""

    older_than_s: int = Field(ge=0, description="Only what has lain there for so many seconds.")


class EmptyTrashAction(Action):
    """Deletes copies in the trash; the target of a row is such a copy, its key what that was."""

    name = "empty-trash"
    summary = "Delete for good what lies in the trash of a source."
    params_type = EmptyTrashParams
    changes_source = False
    of_trash = True

    @property
    def requests(self) -> Requests:
        """Few for a thousand."""
        return Requests(reads=0.001, deletes=0.001)

    @property
    def destroys(self) -> bool:
        """What was in the trash is gone."""
        return True

    @property
    def touches(self) -> frozenset[str]:
        """Nothing that an index tells of."""
        return frozenset()

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Delete each copy that still is as it was listed."""
        trash = sites.trash
        if trash is None:
            raise InvalidInput("The plan knows of no trash.", hint="Make a new plan.")
        if trash.facts.keeps_versions:
            return await delete_all_versions(trash, chunk, _copy)
        rows = {_copy(row): row for row in chunk.rows}
        removed = await remove(trash, {key: row.etag for key, row in rows.items()})
        return [_outcome(chunk, rows[one.key], one) for one in removed]


def _copy(row: Row) -> str:
    return row.target or ""


def _outcome(chunk: Chunk, row: Row, removed: Removed) -> Outcome:
    # A process before this one may have deleted it, and was killed before it could say so.
    ours = isinstance(removed.error, Gone) and chunk.is_doubtful(row)
    if removed.error is None or ours:
        return Outcome(row, "done", precondition=removed.precondition)
    return failed(row, removed.error)
