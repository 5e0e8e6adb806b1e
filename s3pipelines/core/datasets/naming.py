"""Which path each of many objects has in a folder: that of its key, if it can have one."""

from collections.abc import Callable, Iterator

from s3pipelines.core.datasets.local_paths import Crowd, NoPath, why_no_path
from s3pipelines.core.datasets.members import Member, Members

# Takes the members and how long the path of the folder is; gives them with their `name` as the
# path in the folder, and why they have none.
Naming = Callable[[Members, int], Iterator[tuple[Member, NoPath | None]]]


def named_as_keys(members: Members, folder_bytes: int) -> Iterator[tuple[Member, NoPath | None]]:
    """Each has its key for a path; of those that get into each other's way, the first one."""
    crowd = Crowd()
    crowd.note(member.name for member in members if why_no_path(member.name, folder_bytes) is None)
    for member in members:
        yield member, why_no_path(member.name, folder_bytes) or crowd.why_not(member.name)
