"""Where the catalog is and how to reach it: the value that every other part is given."""

from dataclasses import dataclass, field
from functools import cached_property

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.documents import Documents, open_documents
from s3pipelines.core.storage.locations import FolderLocation, Location, parse_location
from s3pipelines.core.storage.options import delta_options

SOURCE_FIELD = "{source}"


@dataclass(frozen=True)
class Catalog:
    """The project's own place, and the places of what it makes.

    Attributes:
        location: `s3://bucket/prefix/` or a local folder.
        access: Credentials and endpoint of the catalog; sources inherit them.
        derivatives: Template of the folder where derivatives of a source go.
        trash: Template of the folder where deleted objects of a source are kept.
        memory_limit_mb: What one query or one refresh may use before it spills to disk.
        listing_requests: Most requests of one listing at a time.
    """

    location: Location
    access: Access = field(default_factory=Access)
    derivatives: str | None = None
    trash: str | None = None
    memory_limit_mb: int = 512
    listing_requests: int = 48

    def __post_init__(self) -> None:
        for template in (self.derivatives, self.trash):
            if template and SOURCE_FIELD in template.removeprefix("s3://").split("/")[0]:
                raise InvalidInput(
                    f"{template!r} has {SOURCE_FIELD} in the name of the bucket.",
                    hint="Put it into the prefix, for example s3://BUCKET/derivatives/{source}.",
                )

    @cached_property
    def documents(self) -> Documents:
        """The store of the registry, the leases and the step outputs.

        Made once: its S3 client takes 50 ms to make, renews its credentials and may be shared by
        threads.
        """
        return open_documents(self.location, self.access)

    def table_uri(self, name: str) -> str:
        """Address of the Delta table `name`, without a trailing slash."""
        return self.location.child("tables").child(name).uri.rstrip("/")

    def delta_options(self) -> dict[str, str] | None:
        """Storage options for deltalake, with credentials as they are at this moment."""
        if isinstance(self.location, FolderLocation):
            return None
        return delta_options(self.access, self.location.bucket)

    def derivatives_location(self, source_id: str) -> Location:
        """The folder where the derivatives of a source go; no two sources share one."""
        return self._place(self.derivatives, "derivatives", source_id)

    def trash_location(self, source_id: str) -> Location:
        """The folder where deleted objects of a source are kept; no two sources share one."""
        return self._place(self.trash, "trash", source_id)

    def own_locations(self) -> dict[str, Location]:
        """The folders that only the project writes, by what they hold.

        Templates count up to the first `{source}`, so that a source can never lie among the
        outputs of another one.
        """
        return {
            "catalog": self.location,
            "derivatives": self._fixed_part(self.derivatives, "derivatives"),
            "trash": self._fixed_part(self.trash, "trash"),
        }

    def _place(self, template: str | None, default: str, source_id: str) -> Location:
        if template is None:
            return self.location.child(default).child(source_id)
        if SOURCE_FIELD not in template:
            return parse_location(template).child(source_id)
        return parse_location(template.replace(SOURCE_FIELD, source_id))

    def _fixed_part(self, template: str | None, default: str) -> Location:
        if template is None:
            return self.location.child(default)
        before, found, _ = template.partition(SOURCE_FIELD)
        return parse_location(before.rpartition("/")[0] if found else template)
