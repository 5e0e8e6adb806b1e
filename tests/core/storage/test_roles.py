"""AssumeRole against moto's STS, which hands out a new key at each call."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from s3pipelines.core.errors import BadCredentials
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.clients import botocore_session, s3_client
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.options import resolve
from s3pipelines.services.moto import MotoServer
from tests.core.storage.conftest import ConfigureAws
from tests.core.storage.fake_s3 import Answer, Asked, bucket_of, error_answer, fake_s3

ROLE = "arn:aws:iam::123456789012:role/reader"
OWN = StaticKeys("own-key", "own-secret")


def _sts(expires: datetime, then: list[str] | None = None) -> "STS":
    return STS(expires, then or [])


class STS:
    """Answers AssumeRole with keys that it numbers, and listings of an empty bucket."""

    def __init__(self, expires: datetime, errors: list[str]) -> None:
        self.expires = expires
        self.errors = errors
        self.handed_out = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.method == "GET":
            return bucket_of([])(asked)
        if self.errors:
            return error_answer(403, self.errors.pop())
        self.handed_out += 1
        body = (
            "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
            f"<AccessKeyId>role-key-{self.handed_out}</AccessKeyId>"
            "<SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>"
            f"<Expiration>{self.expires:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
            "</AssumeRoleResult></AssumeRoleResponse>"
        )
        return Answer(body=body.encode())


def test_a_role_is_assumed_with_the_keys_of_the_environment(moto: MotoServer) -> None:
    found = resolve(Access(role_arn=ROLE), "bucket")
    # moto gives temporary keys, which begin so, and a token with them.
    assert found.access_key_id is not None
    assert found.access_key_id.startswith("ASIA")
    assert found.session_token


def test_the_objects_are_read_as_the_role(moto: MotoServer, bucket: str) -> None:
    client = s3_client(Access(role_arn=ROLE))
    client.put_object(Bucket=bucket, Key="key", Body=b"abc")
    assert boto3.client("s3").get_object(Bucket=bucket, Key="key")["Body"].read() == b"abc"


@pytest.mark.usefixtures("no_aws")
def test_no_region_needs_to_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    sts = _sts(datetime.now(UTC) + timedelta(hours=1))
    with fake_s3(sts) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        access = Access(role_arn=ROLE, static_keys=OWN)
        assert resolve(access, "bucket").access_key_id == "role-key-1"
    assert "/us-east-1/sts/" in server.asked[0].headers["authorization"]


def test_keys_of_the_profile_assume_the_role(
    configure_aws: ConfigureAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_aws(credentials="[lab]\naws_access_key_id = lab-key\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with fake_s3(_sts(datetime.now(UTC) + timedelta(hours=1))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        client = s3_client(Access(profile="lab", role_arn=ROLE))
        client.list_objects_v2(Bucket="bucket")
    assumed, listed = server.asked
    assert "Credential=lab-key/" in assumed.headers["authorization"]
    assert b"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader" in assumed.body
    assert "Credential=role-key-1/" in listed.headers["authorization"]
    assert listed.headers["x-amz-security-token"] == "role-token"


@pytest.mark.usefixtures("no_aws")
def test_the_role_is_assumed_once_and_again_before_its_keys_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sts = _sts(datetime.now(UTC) + timedelta(hours=1))
    with fake_s3(sts) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        client = s3_client(Access(role_arn=ROLE, static_keys=OWN))
        client.list_objects_v2(Bucket="bucket")
        client.list_objects_v2(Bucket="bucket")
        assert sts.handed_out == 1
        sts.expires = datetime.now(UTC) + timedelta(minutes=5)
        other = s3_client(Access(role_arn=ROLE, static_keys=OWN))
        other.list_objects_v2(Bucket="bucket")  # Keys for five minutes: soon to be refreshed.
        sts.expires = datetime.now(UTC) + timedelta(hours=1)
        other.list_objects_v2(Bucket="bucket")
        other.list_objects_v2(Bucket="bucket")
    assert sts.handed_out == 3


@pytest.mark.usefixtures("no_aws")
def test_without_keys_of_its_own_nobody_can_assume_a_role() -> None:
    with pytest.raises(BadCredentials, match="There are no usable AWS credentials"):
        s3_client(Access(role_arn=ROLE))


@pytest.mark.usefixtures("no_aws")
def test_a_role_that_may_not_be_assumed_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sts = _sts(datetime.now(UTC) + timedelta(hours=1), ["AccessDenied", "AccessDenied"])
    with fake_s3(sts) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        access = Access(role_arn=ROLE, static_keys=OWN)
        with pytest.raises(BadCredentials, match="The role for s3://bucket/ cannot be assumed"):
            resolve(access, "bucket")
        with pytest.raises(BadCredentials, match="cannot be assumed"), s3_errors("bucket", "key"):
            s3_client(access).get_object(Bucket="bucket", Key="key")


@pytest.mark.usefixtures("no_aws")
def test_keys_that_have_expired_when_they_arrive_are_a_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with fake_s3(_sts(datetime.now(UTC) - timedelta(hours=1))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        access = Access(role_arn=ROLE, static_keys=OWN)
        with pytest.raises(BadCredentials, match="still expired"):
            resolve(access, "bucket")


@pytest.mark.usefixtures("no_aws")
def test_a_role_at_aws_is_not_asked_for_at_the_server_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    access = Access(role_arn=ROLE, static_keys=OWN, endpoint_url="aws")
    provider = botocore_session(access).get_component("credential_provider").providers[0]
    sts = provider._sts_client("sts", aws_access_key_id="a", aws_secret_access_key="b")
    assert sts.meta.endpoint_url == "https://sts.us-east-1.amazonaws.com"
