"""`ID` or `ID@VERSION`: a source as it is now, or as one of its versions has it."""

import re
from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.datasets.versions import Version, get_version
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source

_NUMBER = re.compile(r"[1-9]\d{0,8}")


@dataclass(frozen=True)
class SourceState:
    """Objects of a source, in one state whatever happens meanwhile.

    Attributes:
        source: The source.
        version: Which version; None for the index as it was when this was made.
        index: Its objects.
    """

    source: Source
    version: Version | None
    index: IndexFiles

    @property
    def name(self) -> str:
        """How people write it."""
        return self.source.id if self.version is None else self.version.name


def split_name(name: str) -> tuple[str, int | None]:
    """The id of a source, and the number of a version if one is named.

    Raises:
        InvalidInput: What follows the `@` is no number.
    """
    source_id, separator, number = name.partition("@")
    if not separator:
        return source_id, None
    if not _NUMBER.fullmatch(number):
        raise InvalidInput(
            f"{name!r} names no version.", hint=f"Write a number, for example {source_id}@3."
        )
    return source_id, int(number)


def source_state(catalog: Catalog, name: str) -> SourceState:
    """The state that `ID` or `ID@VERSION` names.

    Raises:
        NotFound: There is no such source or version.
        InvalidInput: It is not written so.
        StorageError: The catalog cannot be read.
    """
    source_id, number = split_name(name)
    source = get_source(catalog, source_id)
    if number is None:
        return SourceState(source, None, IndexFiles.now(catalog, source_id))
    version = get_version(catalog, source, number)
    return SourceState(source, version, version.index(catalog))
