"""What could not be made: of which objects, why, how often it was tried, and when again."""

from dataclasses import dataclass
from datetime import datetime

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.imaging.failures import failure_condition
from s3pipelines.core.imaging.outcomes import ATTEMPTS, MACHINE_REASONS, STORAGE_REASONS
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.quoting import sql_text


@dataclass(frozen=True)
class Failing:
    """One kind of work that fails on one object in the state that it has now.

    Attributes:
        key: The object.
        kind: What is not made of it.
        reason: Why, in one word.
        detail: The same in a sentence.
        attempts: How often it was tried with the parameters of the last time.
        last_at: When it was tried last.
    """

    key: str
    kind: str
    reason: str
    detail: str
    attempts: int
    last_at: datetime

    @property
    def again(self) -> str:
        """When it is tried again."""
        if self.kind == "convert":
            return "when its plan is applied again"
        if self.reason in STORAGE_REASONS:
            return "after ever longer pauses"
        if self.reason in MACHINE_REASONS and self.attempts < ATTEMPTS:
            return "with the next run"
        return "when the object, the parameters or the libraries change"


def failing(catalog: Catalog, source_id: str) -> list[Failing]:
    """What fails on the objects of a source as they are now, by kind, reason and key.

    Raises:
        NotFound: There is no such source.
        StorageError: The catalog cannot be read.
    """
    get_source(catalog, source_id)
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, OBJECTS, IMAGES, DERIVATIVES)
        rows = connection.execute(
            f"""
            WITH tried AS (
                SELECT key, etag, 'header' AS kind, '' AS params, error, error_detail,
                    read_at AS tried_at
                FROM images_attempts
                UNION ALL
                SELECT key, etag, kind, split_part(params_digest, {sql_text("/")}, 1), error,
                    error_detail, made_at
                FROM derivatives_attempts
            ), last AS (
                -- Of the attempts with each set of parameters, and of these sets the latest.
                SELECT key, etag, kind,
                    arg_max(error, tried_at) FILTER (error IS NOT NULL) AS error,
                    arg_max(error_detail, tried_at) FILTER (error IS NOT NULL) AS error_detail,
                    count(*) FILTER (error IS NOT NULL) AS attempts, max(tried_at) AS tried_at,
                    arg_max(error IS NOT NULL, tried_at) AS fails
                FROM tried GROUP BY key, etag, kind, params
                QUALIFY row_number() OVER (
                    PARTITION BY key, etag, kind ORDER BY max(tried_at) DESC
                ) = 1
            )
            SELECT key, kind, error, coalesce(error_detail, ''), attempts, tried_at
            FROM last JOIN objects USING (key, etag)
            WHERE fails AND {failure_condition("objects.extension")}
            ORDER BY kind, error, key
            """
        ).fetchall()
    return [Failing(*row) for row in rows]
