"""What every command is given: the settings, and the catalog that they describe."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3pipelines.core.catalog.catalog import Catalog
    from s3pipelines.settings import Settings


@dataclass
class CliContext:
    """Made once per invocation; nothing is read before a command asks for it."""

    given_settings: "Settings | None" = None

    @cached_property
    def settings(self) -> "Settings":
        """The settings from the environment."""
        from s3pipelines.settings import load_settings

        return self.given_settings or load_settings()

    @cached_property
    def catalog(self) -> "Catalog":
        """The catalog, with credentials from botocore's standard chain."""
        from s3pipelines.settings import catalog_of

        return catalog_of(self.settings)
