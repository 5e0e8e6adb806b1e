"""Two versions of one source, or a version and the index, compared object by object."""

from collections.abc import Iterator
from contextlib import contextmanager

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.states import source_state
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.index.state_differences import StateDifferences, compare_indexes


@contextmanager
def compare_versions(catalog: Catalog, before: str, after: str) -> Iterator[StateDifferences]:
    """Compare two states of a source by the rule that tells what counts as a change.

    Args:
        catalog: Where the versions are.
        before: `ID@VERSION`; `ID` for the index as it is now.
        after: The same.

    Raises:
        NotFound: There is no such source, or version of it.
        InvalidInput: They are of two sources.
        StorageError: The catalog cannot be read.
    """
    old, new = source_state(catalog, before), source_state(catalog, after)
    if old.source.id != new.source.id:
        raise InvalidInput(
            f"{before} and {after} are of two sources.", hint="Compare versions of one source."
        )
    with compare_indexes(catalog, old.index, new.index) as found:
        yield found
