"""Living, indexed, searchable collections of images and HDF5 files on S3."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3pipelines.core.datasets.opened import OpenedSource
    from s3pipelines.opening import open_source

__all__ = ["OpenedSource", "open_source"]


def __getattr__(name: str) -> Any:
    # What they need takes half a second to import, and most of the package does without.
    if name == "open_source":
        from s3pipelines.opening import open_source

        return open_source
    if name == "OpenedSource":
        from s3pipelines.core.datasets.opened import OpenedSource

        return OpenedSource
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
