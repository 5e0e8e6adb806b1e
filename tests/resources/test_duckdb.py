"""The resource `duckdb`, as an asset uses it."""

from dagster import asset, materialize

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.resources.duckdb import DuckDBResource
from s3pipelines.resources.s3 import CatalogS3Resource


def test_an_asset_asks_the_tables_and_cannot_write(catalog: Catalog) -> None:
    resource = DuckDBResource(
        catalog=CatalogResource(s3=CatalogS3Resource(), location=catalog.location.uri)  # pyright: ignore[reportCallIssue]
    )
    answers: list[object] = []

    @asset
    def report(duckdb: DuckDBResource) -> None:
        with duckdb.session() as session:
            answers.append(session.run("SELECT count(*) AS n FROM objects").read_all().to_pylist())
            answers.append(session.run("SELECT count(*) AS n FROM sources").read_all().to_pylist())
            try:
                session.run("COPY objects TO 'x.csv'")
            except InvalidInput as error:
                answers.append(error.message)

    assert materialize([report], resources={"duckdb": resource}).success
    assert answers[:2] == [[{"n": 0}], [{"n": 0}]]
    assert "COPY is refused" in str(answers[2])
