from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import RefreshableCredentials

from s3pipelines.core.errors import BadCredentials
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.http import places
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.http.signing import Keys

ELSEWHERE = "http://127.0.0.1:9"
KEYS = StaticKeys("id", "secret", "token")


def _access(**more: object) -> Access:
    return Access(**{"endpoint_url": ELSEWHERE, "static_keys": KEYS, "region": "r-1", **more})


def test_another_server_is_addressed_by_path() -> None:
    place = bucket_place(_access(), "maps")
    assert (place.origin, place.host, place.path) == (ELSEWHERE, "127.0.0.1:9", "/maps")
    assert (place.region, place.tls, place.proxy) == ("r-1", None, None)


def test_a_server_may_be_below_a_path() -> None:
    assert bucket_place(_access(endpoint_url=f"{ELSEWHERE}/s3/"), "maps").path == "/s3/maps"


@pytest.mark.parametrize(
    ("bucket", "region", "url"),
    [
        ("maps", "eu-west-1", "https://maps.s3.eu-west-1.amazonaws.com/"),
        ("my.maps", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/my.maps"),
        ("maps", "cn-north-1", "https://maps.s3.cn-north-1.amazonaws.com.cn/"),
    ],
)
def test_a_bucket_of_aws_is_addressed_as_botocore_does(bucket: str, region: str, url: str) -> None:
    access = Access(static_keys=KEYS, endpoint_url="aws")
    assert places._unsigned_url(access, region, bucket) == url


def test_the_proxy_of_the_environment_is_used_but_where_it_says_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert (
        bucket_place(_access(endpoint_url="http://s3.lab:9000"), "b").proxy == "http://proxy:3128"
    )
    monkeypatch.setenv("no_proxy", "s3.lab")
    assert bucket_place(_access(endpoint_url="http://s3.lab:9000"), "b").proxy is None


def test_the_keys_are_those_of_the_access() -> None:
    with LoopThread() as loop:
        assert loop.run(bucket_place(_access(), "b").keys()) == Keys("id", "secret", "token")
        assert loop.run(bucket_place(_access(anonymous=True), "b").keys()) is None


def test_no_keys_are_said_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where another test has started the S3 server of the session, its keys are in the environment.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadCredentials):
        bucket_place(Access(endpoint_url=ELSEWHERE, region="r-1"), "b")


def test_keys_that_expire_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_KEYS_KEPT_S", -1)
    fetched: list[int] = []

    def fetch() -> dict[str, str]:
        fetched.append(1)
        expires = datetime.now(UTC) + timedelta(seconds=1)
        number = str(len(fetched))
        return {
            "access_key": number,
            "secret_key": "s",
            "token": "t",
            "expiry_time": expires.isoformat(),
        }

    place = bucket_place(_access(), "b")
    place._credentials = RefreshableCredentials.create_from_metadata(fetch(), fetch, "test")
    with LoopThread() as loop:
        first = loop.run(place.keys())
        second = loop.run(place.keys())
    assert first is not None
    assert second is not None
    assert int(second.access_key_id) > int(first.access_key_id)


def test_no_secret_is_in_a_representation() -> None:
    assert "secret" not in repr(bucket_place(_access(), "b"))
