"""When each source was last listed in full, also when the listing changed nothing."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Gone
from s3pipelines.core.sources.source import Source


class RefreshRecord(BaseModel):
    """The last refresh of a source that went through.

    Attributes:
        listed_at: When its listing began, by the clock of the machine that ran it.
        batch_id: Names what it had to repair, in the ledger.
    """

    model_config = ConfigDict(frozen=True)

    generation: str
    listed_at: datetime
    table_version: int
    rows: int
    batch_id: str = ""


def refresh_document(source_id: str) -> str:
    """Name of the document that holds the record of a source."""
    return f"refreshes/{source_id}.json"


def write_record(catalog: Catalog, source_id: str, record: RefreshRecord) -> None:
    """Keep the record of a refresh; the last one wins."""
    catalog.documents.put(refresh_document(source_id), record.model_dump_json().encode())


def last_refresh(catalog: Catalog, source: Source) -> RefreshRecord | None:
    """The last refresh of this registration of the source, or None."""
    try:
        body = catalog.documents.read(refresh_document(source.id)).body
        record = RefreshRecord.model_validate_json(body)
    except (Gone, ValidationError):
        return None
    return record if record.generation == source.generation else None
