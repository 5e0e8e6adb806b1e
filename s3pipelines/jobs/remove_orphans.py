"""`remove_orphan_files`: remove thumbnails and pyramids of objects that were deleted."""

from dagster import (
    Config,
    Failure,
    MetadataValue,
    OpExecutionContext,
    TableColumn,
    TableRecord,
    TableSchema,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from s3pipelines.assets.failures import clear_failures
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.orphans import FILE_KINDS, Orphans, orphans_of
from s3pipelines.core.imaging.removing import Removal, remove_orphans
from s3pipelines.core.imaging.wishes import Kind
from s3pipelines.core.sources.registry import get_source
from s3pipelines.resources.catalog import CatalogResource


class RemoveOrphans(Config):
    """What to remove; the same as `s3pipelines images orphans`."""

    source: str = Field(description="Id of the source.")
    kinds: list[str] = Field([], description="thumbnail, pyramid; empty: both.")
    apply: bool = Field(False, description="Remove them; otherwise they are only counted.")

    def chosen(self) -> list[Kind]:
        """The kinds.

        Raises:
            InvalidInput: There is no such kind.
        """
        if unknown := sorted(set(self.kinds) - set(FILE_KINDS)):
            raise InvalidInput(
                f"Of {unknown[0]!r} there are no files.", hint=f"Use {', '.join(FILE_KINDS)}."
            )
        return [kind for kind in FILE_KINDS if kind in (self.kinds or FILE_KINDS)]


@op(description="Count what was made of deleted objects, and perhaps remove it.")
def remove_orphaned(
    context: OpExecutionContext, config: RemoveOrphans, catalog: CatalogResource
) -> None:
    """Count, and remove if that is asked for; fail at the end if some could not be removed."""
    where = catalog.get()
    with clear_failures():
        kinds = config.chosen()
        get_source(where, config.source)
        found: dict[Kind, Orphans] = {
            kind: orphans_of(where, config.source, kind) for kind in kinds
        }
        done = remove_orphans(where, config.source, kinds) if config.apply else Removal()
    context.add_output_metadata(
        {
            "found": _table(found),
            "removed_files": MetadataValue.int(done.files),
            "removed_bytes": MetadataValue.int(done.size_bytes),
            "left": MetadataValue.int(len(done.left)),
        }
    )
    if done.left:
        first = done.left[0]
        raise Failure(
            f"{len(done.left):,} files are still there, the first of them {first.uri}: {first.why}",
            allow_retries=False,
        )


def _table(found: dict[Kind, Orphans]) -> MetadataValue:
    columns = [
        TableColumn("kind", "string"),
        TableColumn("files", "int"),
        TableColumn("size_bytes", "int"),
        TableColumn("example", "string"),
    ]
    records = [TableRecord({"kind": kind, **vars(one)}) for kind, one in found.items()]
    return MetadataValue.table(records, TableSchema(columns=columns))


@job(
    executor_def=in_process_executor,  # One step: a process of its own would only cost a second.
    description="Remove the thumbnails and pyramids of objects that are no longer in the index of "
    "a source. By default it only counts them.",
)
def remove_orphan_files() -> None:
    """One op: counting, and removing."""
    remove_orphaned()
