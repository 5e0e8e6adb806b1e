"""`ListMultipartUploads`: what was begun to be written to a key, and was not finished."""

from urllib.parse import unquote_plus

from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.xml import parse, text


async def list_uploads(client: BucketClient, key: str) -> list[str]:
    """The ids of the unfinished uploads to a key: of a thousand at most, and there are rarely two.

    Raises:
        AccessDenied: `s3:ListBucketMultipartUploads` is not allowed.
        StorageError: The bucket cannot be asked.
    """
    query = {"uploads": "", "prefix": key, "encoding-type": "url"}
    with s3_errors(client.bucket, key):
        reply = await client.ask("ListMultipartUploads", "GET", query=query)
    listed = parse(reply.body, "ListMultipartUploads")
    # Some servers pass over the encoding, and say so by not naming it.
    encoded = listed.find("EncodingType") is not None
    found = [(text(one, "Key"), text(one, "UploadId")) for one in listed.iter("Upload")]
    return [upload for name, upload in found if (unquote_plus(name) if encoded else name) == key]
