import pytest

from s3pipelines.core.storage.access import Access, StaticKeys, same_endpoint

KEYS = StaticKeys("key-id", "secret-value", "token-value")


def test_secrets_do_not_show_in_a_representation() -> None:
    shown = f"{Access(static_keys=KEYS)!r} {KEYS!r} {Access(static_keys=KEYS)} {KEYS}"
    assert "key-id" in shown
    assert "secret-value" not in shown
    assert "token-value" not in shown


def test_a_source_that_says_nothing_is_reached_like_the_catalog() -> None:
    catalog = Access(static_keys=KEYS, endpoint_url="http://minio", region="eu-1", verify=False)
    assert catalog.for_source() == catalog


def test_a_profile_takes_the_place_of_the_keys_the_role_and_the_region_of_the_catalog() -> None:
    catalog = Access(static_keys=KEYS, role_arn="arn:catalog", region="eu-1", profile="catalog")
    assert catalog.for_source(profile="lab") == Access(profile="lab")


def test_a_profile_is_used_at_the_endpoint_of_the_catalog() -> None:
    catalog = Access(endpoint_url="http://minio", verify=False)
    assert catalog.for_source(profile="lab") == Access(
        profile="lab", endpoint_url="http://minio", verify=False
    )


def test_a_role_is_assumed_with_the_keys_of_the_catalog() -> None:
    catalog = Access(static_keys=KEYS, region="eu-1")
    assert catalog.for_source(role_arn="arn:x") == Access(
        static_keys=KEYS, region="eu-1", role_arn="arn:x"
    )


def test_a_role_with_a_profile_is_assumed_with_the_keys_of_the_profile() -> None:
    found = Access(static_keys=KEYS).for_source(profile="lab", role_arn="arn:x")
    assert found == Access(profile="lab", role_arn="arn:x")


def test_the_role_of_a_source_takes_the_place_of_that_of_the_catalog() -> None:
    catalog = Access(role_arn="arn:catalog")
    assert catalog.for_source(role_arn="arn:x").role_arn == "arn:x"
    assert catalog.for_source().role_arn == "arn:catalog"


def test_an_anonymous_source_has_no_keys_but_stays_at_the_server_of_the_catalog() -> None:
    # The profile may be what names that server.
    catalog = Access(static_keys=KEYS, role_arn="arn:catalog", profile="minio", region="eu-1")
    assert catalog.for_source(anonymous=True) == Access(
        anonymous=True, profile="minio", region="eu-1"
    )


def test_a_source_with_an_identity_is_not_anonymous_because_the_catalog_is() -> None:
    catalog = Access(anonymous=True)
    assert catalog.for_source().anonymous
    assert not catalog.for_source(profile="lab").anonymous
    assert not catalog.for_source(role_arn="arn:x").anonymous


def test_what_holds_for_the_server_of_the_catalog_does_not_hold_for_another_one() -> None:
    catalog = Access(
        endpoint_url="http://minio", region="eu-1", verify=False, use_ssl=False, static_keys=KEYS
    )
    assert catalog.for_source(endpoint_url="aws") == Access(endpoint_url="aws", static_keys=KEYS)
    assert catalog.for_source(endpoint_url="http://minio") == catalog


def test_whoever_pays_is_inherited() -> None:
    assert Access(requester_pays=True).for_source().requester_pays
    assert Access().for_source(requester_pays=True).requester_pays
    assert not Access().for_source().requester_pays


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, "aws"),
        (None, "https://s3.eu-central-1.amazonaws.com"),
        ("aws", "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com"),
        ("http://localhost:9000", "http://127.0.0.1:9000/"),
        ("http://[::1]:9000", "http://localhost:9000"),
        ("https://minio.example", "https://MINIO.example:443"),
        ("http://minio.example", "http://minio.example:80"),
        ("http://minio.example", "https://minio.example"),
    ],
)
def test_two_addresses_of_one_server_are_the_same_endpoint(
    one: str | None, other: str | None
) -> None:
    assert same_endpoint(one, other)
    assert same_endpoint(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, "http://127.0.0.1:9000"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9001"),
        ("http://minio.example", "http://other.example"),
        ("http://minio.example", "http://minio.example:8080"),
        ("https://s3.amazonaws.com", "https://amazonaws.com.evil.example"),
    ],
)
def test_other_servers_are_other_endpoints(one: str | None, other: str) -> None:
    assert not same_endpoint(one, other)
