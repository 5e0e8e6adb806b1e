"""Changing how a source wants its pyramids."""

from typing import Any

from s3pipelines.core.sources.source import Source


def merged(source: Source, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes of a source, with the options of pyramids that are not named as they are."""
    named = changes.get("pyramid")
    if not isinstance(named, dict):
        return changes
    return {**changes, "pyramid": {**source.pyramid.model_dump(), **named}}


def require_usable_codec(source: Source, changes: dict[str, Any]) -> None:
    """Refuse a codec that pyramids cannot be written with here; asked only if options are named.

    Raises:
        InvalidInput: The libvips of this machine does not write it.
    """
    if "pyramid" in changes:
        from s3pipelines.core.imaging.codecs import require_codec

        require_codec(source.pyramid.compression)
