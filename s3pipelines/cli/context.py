"""What every command is given: the settings, and the catalog that they describe."""

from dataclasses import dataclass
from functools import cached_property

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.settings import Settings, catalog_of, load_settings


@dataclass
class CliContext:
    """Made once per invocation; nothing is read before a command asks for it."""

    given_settings: Settings | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings from the environment."""
        return self.given_settings or load_settings()

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, with credentials from botocore's standard chain."""
        return catalog_of(self.settings)
