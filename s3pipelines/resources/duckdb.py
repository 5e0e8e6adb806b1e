"""The resource `duckdb`: SQL over the catalog's tables, exactly as `s3pipelines sql` has it."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import ConfigurableResource

from s3pipelines.core.sources.registry import sources_table
from s3pipelines.core.sql.session import Session, open_session
from s3pipelines.resources.catalog import CatalogResource


class DuckDBResource(ConfigurableResource):
    """DuckDB with one view per table of the catalog; it reads and changes nothing."""

    catalog: CatalogResource

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session over the tables, and over the registry as the table `sources`.

        Raises:
            StorageError: The catalog cannot be read.
        """
        catalog = self.catalog.get()
        with open_session(catalog, sources_table(catalog)) as session:
            yield session
