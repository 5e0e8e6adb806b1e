"""Names that are taken, and what S3 refuses: what moto, with one account, does not do."""

from collections.abc import Callable

import pytest

from s3pipelines.core.buckets.creating import NewBucket, create_bucket
from s3pipelines.core.errors import AccessDenied, AlreadyExists, InvalidInput, StorageError
from s3pipelines.core.storage.bucket_admin import list_own_buckets, remove_bucket
from tests.core.storage.fake_s3 import Answer, Asked, error_answer, fake_s3

ELSEWHERE = {"x-amz-bucket-region": "eu-west-1"}
NOBODY = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"


def _server(head: Answer, put: Answer | None = None) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        if asked.method == "PUT":
            return put or Answer()
        return head if asked.method == "HEAD" else Answer(body=NOBODY)

    return answer


@pytest.mark.parametrize(
    ("server", "kind", "says"),
    [
        (_server(Answer(403)), AlreadyExists, "taken by a bucket of another account"),
        (_server(Answer(200)), AlreadyExists, "taken by a bucket of another account"),
        (
            _server(Answer(301, headers=ELSEWHERE)),
            AlreadyExists,
            "taken by a bucket in another region",
        ),
        (
            _server(Answer(404), error_answer(409, "BucketAlreadyExists")),
            AlreadyExists,
            "taken by a bucket of another account",
        ),
        (
            _server(Answer(404), error_answer(409, "BucketAlreadyOwnedByYou")),
            AlreadyExists,
            "You have a bucket 'bucket' already",
        ),
        (
            _server(Answer(404), error_answer(400, "InvalidBucketName", "Too odd.")),
            InvalidInput,
            "S3 refuses the bucket name 'bucket' (Too odd)",
        ),
        (
            _server(Answer(404), error_answer(400, "InvalidLocationConstraint")),
            InvalidInput,
            "'moon-1' is not a region",
        ),
        (
            _server(Answer(404), error_answer(400, "TooManyBuckets")),
            StorageError,
            "as many buckets as it may have",
        ),
        (_server(Answer(404), error_answer(403, "AccessDenied")), AccessDenied, "CreateBucket"),
    ],
)
def test_a_bucket_that_cannot_be_made_says_why(
    server: Callable[[Asked], Answer], kind: type[Exception], says: str
):
    with fake_s3(server) as fake, pytest.raises(kind) as caught:
        create_bucket(fake.access(region="moon-1", max_attempts=1), NewBucket("bucket"))

    assert says in str(caught.value)


def test_buckets_that_may_not_be_listed_name_the_permission():
    denied = pytest.raises(AccessDenied, match="s3:ListAllMyBuckets")
    with fake_s3(lambda _: error_answer(403, "AccessDenied")) as fake, denied:
        list(list_own_buckets(fake.access()))


def test_a_bucket_that_is_gone_already_is_removed():
    with fake_s3(lambda _: error_answer(404, "NoSuchBucket")) as fake:
        remove_bucket(fake.access(), "bucket")
