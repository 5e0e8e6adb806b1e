import re
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.errors import (
    AccessDenied,
    Archived,
    BadCredentials,
    Gone,
    NoSuchBucket,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unreachable,
    WrongRegion,
)
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.services.moto import MotoServer
from s3pipelines.services.ports import free_port
from tests.core.storage.conftest import ConfigureAws
from tests.core.storage.fake_s3 import Answer, error_answer, fake_s3


def _failure(
    ask: Callable[[Any], object], access: Access, bucket: str, key: str = ""
) -> StorageError:
    with pytest.raises(StorageError) as caught, s3_errors(bucket, key):
        ask(s3_client(access))
    _assert_one_line_that_helps(caught.value)
    return caught.value


def _assert_one_line_that_helps(error: StorageError) -> None:
    line = str(error)
    assert line.isprintable()
    assert "Traceback" not in line
    assert re.fullmatch(r"[A-Za-z].*\.", error.message), error.message
    assert re.fullmatch(r"[A-Z].*\.", error.hint), error.hint
    assert not re.search(r"\{\w+\}|\.\.", line), line


def _list(bucket: str) -> Callable[[Any], object]:
    return lambda client: client.list_objects_v2(Bucket=bucket)


def _get(bucket: str, key: str) -> Callable[[Any], object]:
    return lambda client: client.get_object(Bucket=bucket, Key=key)


# What moto, a real server over HTTP, says.


@pytest.mark.usefixtures("moto")
def test_a_bucket_that_is_not_there_is_named() -> None:
    error = _failure(_list("no-such-bucket"), Access(), "no-such-bucket")
    assert type(error) is NoSuchBucket
    assert "'no-such-bucket'" in error.message


@pytest.mark.usefixtures("moto")
def test_a_missing_bucket_is_told_from_a_missing_key_also_by_head() -> None:
    error = _failure(
        lambda client: client.head_bucket(Bucket="no-such-bucket"), Access(), "no-such-bucket"
    )
    assert type(error) is NoSuchBucket


def test_a_missing_key_is_gone_whether_read_or_looked_at(bucket: str) -> None:
    for ask in (
        _get(bucket, "a/key"),
        lambda client: client.head_object(Bucket=bucket, Key="a/key"),
    ):
        error = _failure(ask, Access(), bucket, "a/key")
        assert type(error) is Gone
        assert f"s3://{bucket}/a/key" in error.message


def test_a_key_in_a_missing_bucket_names_the_bucket(moto: object) -> None:
    error = _failure(_get("no-such-bucket", "key"), Access(), "no-such-bucket", "key")
    assert type(error) is NoSuchBucket


def test_a_refused_condition_is_a_failed_precondition(bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"1")
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0123"'}):
        error = _failure(
            lambda client, c=condition: client.put_object(Bucket=bucket, Key="key", Body=b"2", **c),
            Access(),
            bucket,
            "key",
        )
        assert type(error) is PreconditionFailed


def test_a_condition_on_what_is_not_there_is_gone(bucket: str) -> None:
    error = _failure(
        lambda client: client.put_object(Bucket=bucket, Key="key", Body=b"", IfMatch='"0123"'),
        Access(),
        bucket,
        "key",
    )
    assert type(error) is Gone


# What other servers say.

CODES = [
    (403, "AccessDenied", AccessDenied, "is denied"),
    (403, "AllAccessDisabled", AccessDenied, "is denied"),
    (403, "InvalidAccessKeyId", BadCredentials, "does not know this access key"),
    (403, "SignatureDoesNotMatch", BadCredentials, "refuses the signature"),
    (403, "RequestTimeTooSkewed", BadCredentials, "clock"),
    (400, "ExpiredToken", BadCredentials, "have expired"),
    (400, "InvalidToken", BadCredentials, "have expired"),
    (400, "AuthorizationHeaderMalformed", WrongRegion, "lies in another region"),
    (409, "ConditionalRequestConflict", PreconditionFailed, "changed by somebody else"),
    (412, "PreconditionFailed", PreconditionFailed, "changed by somebody else"),
    (404, "NoSuchKey", Gone, "There is no object"),
    (404, "NoSuchBucket", NoSuchBucket, "There is no bucket"),
    (503, "SlowDown", Throttled, "slow down"),
    (503, "ServiceUnavailable", Throttled, "slow down"),
    (500, "InternalError", Unreachable, "fails on its own side"),
    (403, "InvalidObjectState", Archived, "lies in an archive"),
    (403, "ObjectNotInActiveTierError", Archived, "was to be copied to"),
    (418, "Teapot", StorageError, "GetObject on s3://bucket/a/key failed: Teapot"),
]


@pytest.mark.parametrize(("status", "code", "kind", "text"), CODES)
def test_each_code_of_s3_is_one_kind_of_error(
    status: int, code: str, kind: type[StorageError], text: str
) -> None:
    with fake_s3(lambda _: error_answer(status, code, "A long\n story.")) as server:
        error = _failure(_get("bucket", "a/key"), server.access(max_attempts=1), "bucket", "a/key")
    assert type(error) is kind
    assert text in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, AccessDenied), (404, Gone), (412, PreconditionFailed), (503, Throttled)],
)
def test_an_answer_without_a_body_is_known_by_its_number(
    status: int, kind: type[StorageError]
) -> None:
    with fake_s3(lambda _: Answer(status)) as server:
        error = _failure(
            lambda client: client.head_object(Bucket="bucket", Key="key"),
            server.access(max_attempts=1),
            "bucket",
            "key",
        )
    assert type(error) is kind


def test_the_region_of_the_bucket_is_told() -> None:
    answer = error_answer(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3")
    with fake_s3(lambda _: answer) as server:
        error = _failure(_list("bucket"), server.access(region="eu-west-3"), "bucket")
    assert type(error) is WrongRegion
    assert "Set AWS_REGION to eu-west-3." in error.hint


def test_a_server_that_asks_to_slow_down_is_tried_again_before_it_counts() -> None:
    with fake_s3(lambda _: error_answer(503, "SlowDown")) as server:
        error = _failure(_list("bucket"), server.access(max_attempts=2), "bucket")
    assert type(error) is Throttled
    assert len(server.asked) == 2


def test_a_server_that_recovers_in_time_is_no_error() -> None:
    answers = [error_answer(503, "SlowDown"), error_answer(500, "InternalError")]
    with fake_s3(lambda _: answers.pop() if answers else Answer(body=b"abc")) as server:
        client = s3_client(server.access(max_attempts=3))
        with s3_errors("bucket", "key"):
            assert client.get_object(Bucket="bucket", Key="key")["Body"].read() == b"abc"


# Where nobody answers, or not to the end.


def test_an_endpoint_where_nothing_listens_is_unreachable() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    access = Access(endpoint_url=url, static_keys=StaticKeys("a", "b"), max_attempts=1)
    error = _failure(_list("bucket"), access, "bucket")
    assert type(error) is Unreachable
    assert url in error.message


def test_a_name_that_nobody_knows_is_unreachable() -> None:
    access = Access(
        endpoint_url="http://no-such-host.invalid", static_keys=StaticKeys("a", "b"), max_attempts=1
    )
    assert type(_failure(_list("bucket"), access, "bucket")) is Unreachable


def test_a_server_that_hangs_up_is_unreachable() -> None:
    with fake_s3(lambda _: Answer(hang_up=True)) as server:
        assert (
            type(_failure(_list("bucket"), server.access(max_attempts=1), "bucket")) is Unreachable
        )


def test_a_body_that_breaks_off_is_unreachable() -> None:
    with fake_s3(lambda _: Answer(body=b"x" * 1000, cut=500)) as server:
        error = _failure(
            lambda client: client.get_object(Bucket="bucket", Key="key")["Body"].read(),
            server.access(max_attempts=1),
            "bucket",
            "key",
        )
    assert type(error) is Unreachable


def test_an_answer_that_is_not_xml_is_a_storage_error() -> None:
    page = Answer(body=b"<html><body>Please log in to the guest network<br></body></html>")
    with fake_s3(lambda _: page) as server:
        _failure(_list("bucket"), server.access(max_attempts=1), "bucket")


@pytest.mark.usefixtures("no_aws")
def test_having_no_credentials_at_all_is_said_with_what_to_do() -> None:
    with fake_s3(lambda _: Answer()) as server:
        error = _failure(_list("bucket"), Access(endpoint_url=server.url), "bucket")
    assert type(error) is BadCredentials
    assert "--anonymous" in error.hint
    assert server.asked == []


def test_a_helper_program_that_fails_is_a_credential_error(configure_aws: ConfigureAws) -> None:
    configure_aws("[profile lab]\ncredential_process = false\n")
    error = _failure(_list("bucket"), Access(profile="lab"), "bucket")
    assert type(error) is BadCredentials


def test_a_login_that_is_missing_is_a_credential_error(configure_aws: ConfigureAws) -> None:
    configure_aws(
        "[profile lab]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n"
        "[sso-session s]\nsso_start_url = https://x.invalid/start\nsso_region = us-east-1\n"
    )
    error = _failure(_list("bucket"), Access(profile="lab"), "bucket")
    assert type(error) is BadCredentials
    assert "log in" in error.hint


@pytest.mark.parametrize("bucket", ["", "UPPER CASE", "a/b", "x" * 300, "arn:aws:s3:::x"])
def test_a_bucket_name_that_cannot_be_is_an_error_of_ours(bucket: str) -> None:
    access = Access(
        endpoint_url="http://127.0.0.1:9", static_keys=StaticKeys("a", "b"), max_attempts=1
    )
    error = _failure(_list(bucket), access, bucket)
    assert type(error) is not Unreachable


def test_a_mistake_in_our_own_code_is_not_disguised() -> None:
    for mistake in (RuntimeError("Ours."), KeyError("ours"), TypeError("Ours.")):
        with pytest.raises(type(mistake)), s3_errors("bucket"):
            raise mistake


@given(key=st.text(st.characters(codec="utf-8"), min_size=1))
def test_whatever_stands_in_a_key_its_error_is_one_line(key: str) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(AccessDenied) as caught, s3_errors("bucket", key):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": key}}, "GetObject")
    assert str(caught.value).isprintable()


def test_secrets_are_in_no_error() -> None:
    keys = StaticKeys("key-id", "secret-value", "token-value")
    for code in ("SignatureDoesNotMatch", "InvalidAccessKeyId", "Teapot"):
        with fake_s3(lambda _, c=code: error_answer(403, c)) as server:
            error = _failure(_list("bucket"), server.access(static_keys=keys), "bucket")
        assert "secret-value" not in repr(error) + str(error)
        assert "token-value" not in repr(error) + str(error)
        assert "secret-value" not in repr(error.__cause__)


@pytest.fixture
def policies_are_checked(moto: MotoServer) -> Iterator[StaticKeys]:
    """moto checks policies, and knows its users, only once it is told to."""

    def check_after(requests: str) -> None:
        order = urllib.request.Request(
            f"{moto.endpoint}/moto-api/reset-auth",
            data=requests.encode(),
            headers={"Content-Type": "text/plain"},
            method="POST",
        )
        urllib.request.urlopen(order, timeout=10).close()

    user = f"user-{uuid.uuid4().hex}"
    boto3.client("iam").create_user(UserName=user)
    made = boto3.client("iam").create_access_key(UserName=user)["AccessKey"]
    check_after("0")
    yield StaticKeys(made["AccessKeyId"], made["SecretAccessKey"])
    check_after("inf")


def test_a_user_without_the_permission_is_denied_access(
    bucket: str, policies_are_checked: StaticKeys
) -> None:
    error = _failure(_list(bucket), Access(static_keys=policies_are_checked), bucket)
    assert type(error) is AccessDenied
    assert "(ListObjectsV2)" in error.message


def test_keys_that_nobody_has_are_bad_credentials(
    bucket: str, policies_are_checked: StaticKeys
) -> None:
    for keys in (
        StaticKeys("AKIANOBODY", "x"),
        replace(policies_are_checked, secret_access_key="x"),
    ):
        error = _failure(_list(bucket), Access(static_keys=keys), bucket)
        assert type(error) is BadCredentials


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_proxy_that_redirects_to_https_is_a_clear_error(status: int) -> None:
    page = b"<html><head><title>Moved</title></head><body><h1>Moved</h1></body></html>"
    answer = Answer(status, page, {"Location": "https://minio.example/"})
    with fake_s3(lambda _: answer) as server:
        error = _failure(_list("bucket"), server.access(max_attempts=1), "bucket")
    if status in (301, 302):
        assert "https instead of http?" in error.hint
