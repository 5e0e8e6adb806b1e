"""Finding the bytes of a member: what its key holds, or a version of the key that somebody covered.

A version of a source names ETags. In a bucket that keeps versions, what was overwritten or deleted
since is still there under a version id, which a listing of the key tells.
"""

from s3pipelines.core.datasets.members import Member
from s3pipelines.core.errors import Gone, PreconditionFailed
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.versions import list_versions_of_key


async def covered_version(client: BucketClient, member: Member) -> str | None:
    """The id of the version of a key that is this member; None if there is none.

    Raises:
        StorageError: The versions cannot be listed.
    """
    for version in await list_versions_of_key(client, member.key):
        is_it = (version.etag, version.size_bytes) == (member.etag, member.size_bytes)
        if is_it and version.version_id != "null":
            return version.version_id
    return None


def no_longer(member: Member, error: PreconditionFailed | Gone, name: str) -> Gone:
    """The error for a member that S3 does not have any more."""
    what = "deleted" if isinstance(error, Gone) else "overwritten"
    return Gone(
        f"{member.key} was {what} since {name} was made.",
        hint="The bucket keeps no version of it.",
    )
