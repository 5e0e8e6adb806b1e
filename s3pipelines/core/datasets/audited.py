"""The SHA-256 that objects have to have, as audits and registrations noted it."""

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import AUDITS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.members import Members
from s3pipelines.core.sql.quoting import sql_text


def audited_sums(catalog: Catalog, source_id: str, members: Members) -> dict[tuple[str, str], str]:
    """The SHA-256 in hexadecimal of those members of which one was noted, by key and ETag.

    Never what a damaged object was found to have.

    Raises:
        StorageError: The catalog cannot be read.
    """
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, AUDITS)
        rows = connection.execute(
            "SELECT key, etag, audits.known_sha256 FROM audits "
            f"SEMI JOIN read_parquet({sql_text(str(members.path))}) AS members USING (key, etag) "
            "WHERE audits.known_sha256 IS NOT NULL"
        ).fetchall()
    return {(key, etag): sha256 for key, etag, sha256 in rows}
