"""What deltalake and DuckDB are told: looked at in the requests that they really make."""

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.errors import BadCredentials, NoSuchBucket, Unreachable
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.options import (
    delta_options,
    duckdb_secret,
    resolve,
)
from s3pipelines.services.ports import free_port
from tests.core.storage.conftest import ConfigureAws
from tests.core.storage.fake_s3 import (
    Answer,
    Asked,
    FakeS3,
    bucket_of,
    error_answer,
    fake_s3,
)

TOKEN = StaticKeys("key-id", "secret", "token")


def _empty(asked: Asked) -> Answer:
    if asked.query.get("list-type"):
        return bucket_of([])(asked)
    return error_answer(404, "NoSuchKey")


def _ask_delta(access: Access) -> None:
    with pytest.raises(TableNotFoundError):
        DeltaTable("s3://bucket/state/t", storage_options=delta_options(access, "bucket"))


def _ask_duckdb(access: Access) -> None:
    """Both ways in which the project reads: Delta's own, and plain files."""
    with connect(Catalog(S3Location("bucket", "state/"), access), delta=True) as connection:
        for source in (
            "delta_scan('s3://bucket/state/t')",
            "read_parquet('s3://bucket/state/f.parquet')",
        ):
            with pytest.raises(duckdb.Error, match=r"No files in log segment|404"):
                connection.execute(f"FROM {source}")


ASK = pytest.mark.parametrize("ask", [_ask_delta, _ask_duckdb])


def _key_ids(server: FakeS3) -> set[str]:
    signed = [asked.headers.get("authorization", "") for asked in server.asked]
    return {text.partition("Credential=")[2].partition("/")[0] for text in signed}


def _tokens(server: FakeS3) -> set[str | None]:
    return {asked.headers.get("x-amz-security-token") for asked in server.asked}


@pytest.mark.usefixtures("no_aws")
@ASK
def test_keys_and_token_are_passed_on(ask) -> None:
    with fake_s3(_empty) as server:
        ask(server.access(static_keys=TOKEN))
    assert _key_ids(server) == {"key-id"}
    assert _tokens(server) == {"token"}
    assert all(asked.path.startswith("/bucket") for asked in server.asked)


@pytest.mark.usefixtures("no_aws")
@ASK
def test_anonymous_access_signs_nothing_whatever_the_environment_holds(
    ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "y")
    with fake_s3(_empty) as server:
        ask(Access(endpoint_url=server.url, anonymous=True))
    assert server.asked
    assert _key_ids(server) == {""}
    assert _tokens(server) == {None}


@pytest.mark.usefixtures("no_aws")
@ASK
def test_the_endpoint_of_the_access_goes_before_those_of_the_environment(
    ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_s3(_empty) as server, fake_s3(_empty) as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", other.url)
        ask(server.access())
    assert server.asked
    assert not other.asked


@pytest.mark.usefixtures("no_aws")
@ASK
def test_everything_may_come_from_the_profile(
    ask, configure_aws: ConfigureAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with fake_s3(_empty) as server:
        configure_aws(
            f"[profile lab]\nregion = eu-west-2\nendpoint_url = {server.url}\n",
            "[lab]\naws_access_key_id = lab-key\naws_secret_access_key = x\n",
        )
        ask(Access(profile="lab"))
    assert _key_ids(server) == {"lab-key"}
    assert all("/eu-west-2/" in asked.headers["authorization"] for asked in server.asked)


@pytest.mark.usefixtures("no_aws")
@ASK
def test_an_endpoint_may_have_a_path(ask) -> None:
    with fake_s3(_empty) as server:
        ask(server.access(endpoint_url=f"{server.url}/storage/v1/s3/"))
    assert all(asked.path.startswith("/storage/v1/s3/bucket") for asked in server.asked)


@pytest.mark.usefixtures("no_aws")
def test_a_token_of_other_keys_never_goes_with_the_keys_of_the_catalog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-others")
    with fake_s3(_empty) as server:
        _ask_duckdb(server.access())
        assert _key_ids(server) == {"key-id"}
        assert _tokens(server) == {None}
        # deltalake cannot be told to leave the environment alone.
        with pytest.raises(BadCredentials, match="AWS_SESSION_TOKEN is set") as caught:
            delta_options(server.access(), "bucket")
    assert "token-of-others" not in str(caught.value)


@pytest.mark.usefixtures("no_aws")
def test_the_keys_of_the_environment_go_with_their_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "its-token")
    with fake_s3(_empty) as server:
        _ask_delta(Access(endpoint_url=server.url))
    assert _key_ids(server) == {"environment"}
    assert _tokens(server) == {"its-token"}


@pytest.mark.usefixtures("no_aws")
def test_delta_is_told_about_http_certificates_and_conditional_writes() -> None:
    plain = delta_options(Access(endpoint_url="http://minio:9000", static_keys=TOKEN), "bucket")
    assert plain["AWS_ENDPOINT_URL"] == plain["AWS_ENDPOINT_URL_S3"] == "http://minio:9000"
    assert plain["AWS_ALLOW_HTTP"] == "true"
    assert plain["AWS_ALLOW_INVALID_CERTIFICATES"] == "false"
    assert plain["conditional_put"] == "etag"
    lax = Access(endpoint_url="https://minio", static_keys=TOKEN, verify=False)
    secure = delta_options(lax, "bucket")
    assert secure["AWS_ALLOW_HTTP"] == "false"
    assert secure["AWS_ALLOW_INVALID_CERTIFICATES"] == "true"


@pytest.mark.usefixtures("no_aws")
@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://minio:9000", ["ENDPOINT 'minio:9000'", "USE_SSL false", "URL_STYLE 'path'"]),
        ("https://minio", ["ENDPOINT 'minio'", "USE_SSL true", "URL_STYLE 'path'"]),
        ("https://minio/s3/", ["ENDPOINT 'minio/s3'", "USE_SSL true"]),
    ],
)
def test_duckdb_is_told_the_address_in_its_own_words(url: str, parts: list[str]) -> None:
    secret = duckdb_secret(Access(endpoint_url=url, static_keys=TOKEN), "b", "s3://b/p/")
    assert all(part in secret for part in parts)
    assert "VERIFY_SSL" not in secret


@pytest.mark.usefixtures("no_aws")
def test_duckdb_takes_a_secret_with_any_characters() -> None:
    odd = StaticKeys("it's", "'; DROP TABLE x; -- \"\\", "a'b''c\n")
    access = Access(endpoint_url="https://minio", static_keys=odd, verify=False)
    with connect(Catalog(S3Location("b"), access), delta=True) as connection:
        found = connection.execute(
            "SELECT name, scope, secret_string FROM duckdb_secrets()"
        ).fetchall()
    assert [(name, scope) for name, scope, _ in found] == [("catalog", ["s3://b/"])]
    assert "key_id=it's" in found[0][2]
    assert "secret=redacted" in found[0][2]
    assert "session_token=redacted" in found[0][2]


@pytest.mark.usefixtures("no_aws")
def test_no_secret_shows_in_a_representation() -> None:
    shown = repr(resolve(Access(endpoint_url="http://minio", static_keys=TOKEN), "bucket"))
    assert "minio" in shown
    assert not any(word in shown for word in ("secret", "token", "key-id"))


@pytest.mark.usefixtures("no_aws")
def test_having_no_keys_is_a_clear_error() -> None:
    with pytest.raises(BadCredentials, match="no AWS credentials for s3://bucket"):
        resolve(Access(endpoint_url="http://minio"), "bucket")


def test_aws_is_asked_where_the_bucket_lies(
    configure_aws: ConfigureAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy stands in for AWS: requests to its plain-text address go through it."""
    configure_aws()
    answers = {
        "/granted": Answer(headers={"x-amz-bucket-region": "eu-west-3"}),
        "/refused": Answer(403, headers={"x-amz-bucket-region": "eu-south-1"}),
        "/missing": Answer(404),
    }

    def answer(asked: Asked) -> Answer:
        # A proxy is given the whole address; by name or by path.
        name = asked.headers["host"].split(".")[0]
        return answers.get(f"/{name}", answers["/missing"])

    with fake_s3(answer) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        access = Access(static_keys=TOKEN, use_ssl=False)
        assert resolve(access, "granted").region == "eu-west-3"
        options = delta_options(access, "refused")
        with pytest.raises(NoSuchBucket):
            resolve(access, "missing")
    assert options["AWS_REGION"] == "eu-south-1"
    assert options["AWS_ENDPOINT_URL"] == "https://s3.eu-south-1.amazonaws.com"


@pytest.mark.usefixtures("no_aws")
def test_a_server_of_ones_own_is_not_asked_before_it_is_used() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert resolve(Access(endpoint_url=url, static_keys=TOKEN), "bucket").endpoint_url == url


def test_aws_out_of_reach_is_a_clear_error(
    configure_aws: ConfigureAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_aws()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable):
        resolve(Access(static_keys=TOKEN, use_ssl=False, max_attempts=1), "bucket")


def test_a_table_is_written_by_delta_and_read_by_duckdb(s3_catalog: Catalog) -> None:
    location = s3_catalog.location
    assert isinstance(location, S3Location)
    uri = s3_catalog.table_uri("t")
    rows = pa.table({"source": ["a", "a"], "n": [1, 2]})
    options = delta_options(s3_catalog.access, location.bucket)
    write_deltalake(uri, rows, partition_by=["source"], storage_options=options)
    with connect(s3_catalog, delta=True) as connection:
        total = connection.execute(f"SELECT sum(n) FROM delta_scan('{uri}')").fetchall()
    assert total == [(3,)]
