"""The resource `catalog`: where the project keeps its own state."""

from dagster import ConfigurableResource
from pydantic import Field

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.locations import parse_location
from s3pipelines.resources.s3 import CatalogS3Resource
from s3pipelines.settings import Settings


class CatalogResource(ConfigurableResource):
    """The catalog, reached through the resource `s3`."""

    s3: CatalogS3Resource
    location: str = Field(description="`s3://bucket/prefix` or a folder.")
    derivatives: str | None = Field(default=None, description="Where derivatives go.")
    trash: str | None = Field(default=None, description="Where deleted objects are kept.")
    memory_limit_mb: int = Field(
        default=512, description="What one query or refresh may use, in MB."
    )
    listing_requests: int = Field(
        default=48, description="Most requests of one full listing at a time."
    )

    @classmethod
    def from_settings(cls, settings: Settings, s3: CatalogS3Resource) -> "CatalogResource":
        """The resource that the settings describe."""
        return cls(
            s3=s3,
            location=settings.catalog,
            derivatives=settings.derivatives,
            trash=settings.trash,
            memory_limit_mb=settings.memory_limit_mb,
            listing_requests=settings.listing_requests,
        )

    def get(self) -> Catalog:
        """The catalog in the terms of the core."""
        return Catalog(
            location=parse_location(self.location),
            access=self.s3.access(),
            derivatives=self.derivatives,
            trash=self.trash,
            memory_limit_mb=self.memory_limit_mb,
            listing_requests=self.listing_requests,
        )
