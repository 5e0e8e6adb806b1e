import pytest
from dagster import EnvVar, materialize
from dagster import asset as dagster_asset

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.resources.s3 import CatalogS3Resource


def test_left_empty_everything_comes_from_botocores_chain() -> None:
    assert CatalogS3Resource().access() == Access()


def test_every_field_of_dagster_aws_is_understood() -> None:
    resource = CatalogS3Resource(
        use_unsigned_session=False,
        region_name="eu-1",
        endpoint_url="http://minio",
        max_attempts=7,
        profile_name="lab",
        use_ssl=False,
        verify=False,
        aws_access_key_id="key-id",
        aws_secret_access_key="secret",
        aws_session_token="token",
    )
    assert resource.access() == Access(
        profile="lab",
        endpoint_url="http://minio",
        region="eu-1",
        static_keys=StaticKeys("key-id", "secret", "token"),
        use_ssl=False,
        verify=False,
        max_attempts=7,
    )
    assert set(CatalogS3Resource.model_fields) == {
        "use_unsigned_session",
        "region_name",
        "endpoint_url",
        "max_attempts",
        "profile_name",
        "use_ssl",
        "verify",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
    }


def test_an_unsigned_session_is_anonymous_access() -> None:
    assert CatalogS3Resource(use_unsigned_session=True).access() == Access(anonymous=True)


@pytest.mark.parametrize("half", ["aws_access_key_id", "aws_secret_access_key"])
def test_half_a_key_is_refused_and_not_replaced_by_other_keys(half: str) -> None:
    with pytest.raises(InvalidInput, match="has half a key") as caught:
        CatalogS3Resource.model_validate({half: "the-value"}).access()
    assert "the-value" not in str(caught.value)


def test_keys_can_come_from_variables_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", "key-id")
    monkeypatch.setenv("LAB_SECRET", "secret")
    found: list[Access] = []

    @dagster_asset
    def probe(s3: CatalogS3Resource) -> None:
        found.append(s3.access())

    resource = CatalogS3Resource(
        aws_access_key_id=EnvVar("LAB_KEY"), aws_secret_access_key=EnvVar("LAB_SECRET")
    )
    assert materialize([probe], resources={"s3": resource}).success
    assert found == [Access(static_keys=StaticKeys("key-id", "secret"))]
