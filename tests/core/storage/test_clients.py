import logging
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

from s3pipelines.core.errors import BadCredentials, StorageError
from s3pipelines.core.storage import clients
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.clients import (
    botocore_session,
    endpoint_of,
    region_of,
    s3_client,
)
from tests.core.storage.conftest import ConfigureAws
from tests.core.storage.fake_s3 import Answer, bucket_of, fake_s3

KEYS = StaticKeys("key-id", "secret-value", "token-value")
pytestmark = pytest.mark.usefixtures("no_aws")


class _NotSent(Exception):
    pass


def _address(access: Access, bucket: str = "bucket") -> str:
    """The address that a request for a key would go to."""

    def stop(request: Any, **_: object) -> None:
        raise _NotSent(request.url)

    client = s3_client(access)
    client.meta.events.register("before-send.s3", stop)
    with pytest.raises(_NotSent) as caught:
        client.get_object(Bucket=bucket, Key="key")
    return str(caught.value)


def test_own_servers_are_addressed_by_path_and_aws_by_name() -> None:
    own = Access(endpoint_url="http://minio:9000", static_keys=KEYS)
    aws = Access(static_keys=KEYS, region="eu-central-1")
    assert _address(own) == "http://minio:9000/bucket/key"
    assert _address(aws) == "https://bucket.s3.eu-central-1.amazonaws.com/key"


def test_a_profile_may_ask_for_addresses_by_name(configure_aws: ConfigureAws) -> None:
    configure_aws("[profile oss]\ns3 =\n  addressing_style = virtual\n")
    own = Access(endpoint_url="http://oss:81", static_keys=KEYS, profile="oss")
    assert _address(own) == "http://bucket.oss:81/key"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_the_endpoint_comes_from_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://minio:9000")
    access = Access(static_keys=KEYS)
    assert endpoint_of(access) == "http://minio:9000"
    assert _address(access) == "http://minio:9000/bucket/key"


def test_the_endpoint_of_s3_goes_before_that_of_all_services(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3:2")
    assert endpoint_of(Access(static_keys=KEYS)) == "http://s3:2"


def test_the_endpoint_comes_from_the_profile(configure_aws: ConfigureAws) -> None:
    configure_aws(
        "[profile plain]\nendpoint_url = http://plain:1\n"
        "[profile parts]\nservices = lab\n[services lab]\ns3 =\n  endpoint_url = http://parts:2\n"
    )
    assert endpoint_of(Access(profile="plain", static_keys=KEYS)) == "http://plain:1"
    parts = Access(profile="parts", static_keys=KEYS)
    assert endpoint_of(parts) == "http://parts:2"
    assert _address(parts) == "http://parts:2/bucket/key"


def test_an_endpoint_of_the_source_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://environment:1")
    assert endpoint_of(Access(static_keys=KEYS, endpoint_url="http://own:2")) == "http://own:2"


def test_aws_itself_can_be_named_where_the_environment_names_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    access = Access(static_keys=KEYS, endpoint_url="aws")
    assert endpoint_of(access) is None
    assert _address(access) == "https://bucket.s3.amazonaws.com/key"


def test_endpoints_of_aws_that_the_region_does_not_tell_are_named() -> None:
    private = "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com"
    assert endpoint_of(Access(static_keys=KEYS, endpoint_url=private)) == private
    china = Access(static_keys=KEYS, region="cn-north-1")
    assert endpoint_of(china) == "https://s3.cn-north-1.amazonaws.com.cn"
    assert endpoint_of(Access(static_keys=KEYS, region="ap-southeast-2")) is None


def test_the_region_is_that_of_the_access_then_of_the_machine_then_us_east_1(
    configure_aws: ConfigureAws,
) -> None:
    configure_aws("[profile lab]\nregion = eu-west-1\n")
    for access, expected in (
        (Access(profile="lab", region="eu-north-1"), "eu-north-1"),
        (Access(profile="lab"), "eu-west-1"),
        (Access(), "us-east-1"),
    ):
        assert region_of(access, botocore_session(access)) == expected


def test_keys_come_from_the_profile_and_not_from_the_environment(
    configure_aws: ConfigureAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_aws(credentials="[lab]\naws_access_key_id = P\naws_secret_access_key = Q\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "E")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "F")
    assert botocore_session(Access(profile="lab")).get_credentials().access_key == "P"
    assert botocore_session(Access()).get_credentials().access_key == "E"
    assert botocore_session(Access(static_keys=KEYS)).get_credentials().access_key == "key-id"


def test_requests_are_signed_with_the_keys_and_their_token() -> None:
    with fake_s3(bucket_of([])) as server:
        s3_client(server.access(static_keys=KEYS)).list_objects_v2(Bucket="bucket")
    headers = server.asked[0].headers
    assert "Credential=key-id/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "token-value"


def test_anonymous_requests_are_not_signed_even_if_there_are_keys() -> None:
    with fake_s3(bucket_of([])) as server:
        client = s3_client(server.access(static_keys=KEYS, anonymous=True))
        client.list_objects_v2(Bucket="bucket")
    assert "authorization" not in server.asked[0].headers
    assert "x-amz-security-token" not in server.asked[0].headers


def test_anonymous_access_needs_no_credentials() -> None:
    with fake_s3(bucket_of(["key"])) as server:
        client = s3_client(Access(endpoint_url=server.url, anonymous=True))
        assert [o["Key"] for o in client.list_objects_v2(Bucket="bucket")["Contents"]] == ["key"]


def test_whoever_pays_says_so_in_every_request_that_costs() -> None:
    with fake_s3(lambda asked: Answer() if asked.query == {} else bucket_of([])(asked)) as server:
        client = s3_client(server.access(requester_pays=True))
        client.list_objects_v2(Bucket="bucket")
        client.head_object(Bucket="bucket", Key="key")
        client.get_object(Bucket="bucket", Key="key")
        client.put_object(Bucket="bucket", Key="key", Body=b"")
        client.delete_object(Bucket="bucket", Key="key")
    payers = [asked.headers.get("x-amz-request-payer") for asked in server.asked]
    assert payers == ["requester"] * 5


def test_nobody_pays_unasked() -> None:
    with fake_s3(bucket_of([])) as server:
        s3_client(server.access()).list_objects_v2(Bucket="bucket")
    assert "x-amz-request-payer" not in server.asked[0].headers


def test_requests_that_need_no_checksum_have_none() -> None:
    with fake_s3(lambda _: Answer()) as server:
        s3_client(server.access()).put_object(Bucket="bucket", Key="key", Body=b"abc")
    assert not [name for name in server.asked[0].headers if "checksum" in name or "crc" in name]
    assert server.asked[0].body == b"abc"


def test_a_second_client_reads_no_description_of_s3_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def load_file(loader: JSONFileLoader, file_path: str) -> object:
        read.append(file_path)
        return original(loader, file_path)

    original = JSONFileLoader.load_file
    monkeypatch.setattr(JSONFileLoader, "load_file", load_file)
    clients._service_descriptions.cache_clear()  # pyright: ignore[reportPrivateUsage]
    s3_client(Access(static_keys=KEYS))
    first = len(read)
    assert first
    s3_client(Access(static_keys=KEYS))
    # 7 ms each; 60 ms when each one reads them.
    assert len(read) == first


def test_a_profile_that_is_not_there_is_named(configure_aws: ConfigureAws) -> None:
    configure_aws()
    with pytest.raises(BadCredentials, match="no AWS profile 'lab' on this machine"):
        s3_client(Access(profile="lab"))


def test_the_profile_of_the_environment_may_be_missing_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(BadCredentials, match="no AWS profile 'gone' on this machine"):
        s3_client(Access())


def test_half_a_key_is_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")
    with pytest.raises(BadCredentials, match="There are no usable AWS credentials") as caught:
        s3_client(Access())
    assert "AWS_SECRET_ACCESS_KEY" in str(caught.value)


def test_a_broken_configuration_file_is_a_clear_error(configure_aws: ConfigureAws) -> None:
    configure_aws("this is [no configuration\n")
    with pytest.raises(StorageError, match="The AWS configuration cannot be used"):
        s3_client(Access())


def test_a_profile_of_services_that_are_not_there_is_a_clear_error(
    configure_aws: ConfigureAws,
) -> None:
    configure_aws("[profile lab]\nservices = nowhere\n")
    with pytest.raises(StorageError, match="The AWS configuration cannot be used"):
        s3_client(Access(profile="lab", static_keys=KEYS))


@pytest.mark.parametrize("url", ["minio:9000", "not a url", "http://"])
def test_an_endpoint_that_is_no_address_is_a_clear_error(url: str) -> None:
    with pytest.raises(StorageError, match="The AWS configuration cannot be used"):
        s3_client(Access(static_keys=KEYS, endpoint_url=url))


def test_a_region_that_is_no_name_is_a_clear_error() -> None:
    with pytest.raises(StorageError, match="The AWS configuration cannot be used"):
        s3_client(Access(static_keys=KEYS, region="not a region"))


def test_secrets_do_not_reach_the_log_of_the_project(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), fake_s3(bucket_of(["key"])) as server:
        access = server.access(static_keys=KEYS)
        s3_client(access).list_objects_v2(Bucket="bucket")
        endpoint_of(access)
    assert "secret-value" not in caplog.text
    assert "token-value" not in caplog.text
