"""The end of a source: everything that the catalog has of it is removed; its objects stay."""

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TABLES
from s3pipelines.core.detection.pending import pending_document
from s3pipelines.core.sources.entries import read_entry, write_entry
from s3pipelines.core.sources.leases import index_lease
from s3pipelines.core.sources.refreshes import refresh_document
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.leases import hold
from s3pipelines.core.storage.outputs import remove_outputs

# What is made of the objects of a source, below its place for derivatives.
DERIVED_FOLDERS = ("thumbnails/", "pyramids/")


def finish_deletion(catalog: Catalog, source_id: str) -> None:
    """Remove what the catalog has of a source that is marked as leaving, and free its id.

    Nothing happens to a source that is not marked, so that several may finish one deletion.

    Raises:
        Busy: Its index is being refreshed.
        StorageError: The catalog cannot be written.
    """
    documents = catalog.documents
    if not _is_leaving(read_entry(documents, source_id).source):
        return
    purpose = f"The deletion of source {source_id!r}"
    # Here, since whoever only reads what is registered needs no library of tables.
    from s3pipelines.core.catalog.tables import forget_source

    with hold(documents, index_lease(source_id), purpose) as lease:
        # Read again: while this one waited, another process may have finished the deletion, and a
        # third one registered the id anew.
        entry = read_entry(documents, source_id)
        if not _is_leaving(entry.source):
            return
        for schema in TABLES:
            if schema.by_source:
                lease.confirm()
                forget_source(catalog, schema, source_id)
        lease.confirm()
        # Pictures of objects that somebody may have given up for good reasons.
        for folder in DERIVED_FOLDERS:
            remove_outputs(catalog.derivatives_location(source_id), catalog.access, folder)
        documents.remove(refresh_document(source_id))
        documents.remove(pending_document(source_id))
        for name in documents.names(f"uploads/{source_id}/"):
            documents.remove(name)
        write_entry(documents, source_id, None, entry.tag)


def _is_leaving(source: Source | None) -> bool:
    return source is not None and source.state == "deleting"
