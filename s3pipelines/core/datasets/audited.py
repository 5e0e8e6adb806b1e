"""The SHA-256 of objects as audits found them, where the catalog has a table of audits."""

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, sql_text
from s3pipelines.core.catalog.schemas import TABLES
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.members import Members

AUDITS = next((schema for schema in TABLES if schema.name == "audits"), None)


def audited_sums(catalog: Catalog, source_id: str, members: Members) -> dict[tuple[str, str], str]:
    """The SHA-256 in hexadecimal of those members that were audited, by key and ETag.

    Raises:
        StorageError: The catalog cannot be read.
    """
    if AUDITS is None:
        return {}
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, AUDITS)
        rows = connection.execute(
            "SELECT key, etag, audits.sha256 FROM audits "
            f"SEMI JOIN read_parquet({sql_text(str(members.path))}) AS members USING (key, etag) "
            "WHERE audits.sha256 IS NOT NULL"
        ).fetchall()
    return {(key, etag): sha256 for key, etag, sha256 in rows}
