"""`s3pipelines data audit`."""

import json

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def maps(run: Run, bucket: str, put_objects) -> str:
    """The indexed source `maps` of four objects."""
    put_objects("maps/a", "maps/b", "maps/c", "maps/d")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    run("index", "refresh", "--source", "maps")
    return "maps"


def test_an_audit_says_what_it_read_and_how_to_draw_the_sample_again(run: Run, maps):
    done = run("data", "audit", "--source", "maps", "--sample", "75%", "--seed", "7")

    assert done.status == 0
    assert "--seed 7" in done.out
    assert "ok " in done.out
    table = run("sql", "SELECT count(*) AS n FROM audits WHERE outcome = 'ok'", "--format", "csv")
    assert 0 < int(table.out.split()[1]) < 4
    told = json.loads(run("data", "audit", "--source", "maps", "--json").out)
    assert (told["audited"], told["left"], told["counts"], told["objects"]) == (
        4,
        0,
        {"ok": 4},
        [],
    )


def test_a_budget_leaves_the_rest_to_the_next_audit(run: Run, maps):
    done = run("data", "audit", "--source", "maps", "--budget", "6B")

    assert done.status == 0
    assert "2: the budget is used up; repeat it to go on" in done.out
    run("data", "audit", "--source", "maps", "--budget", "6")
    told = run("sql", "SELECT count(*) AS n FROM audits", "--format", "csv")
    assert told.out.split()[1] == "4"


def test_what_is_missing_is_listed_with_status_1(run: Run, maps, s3, bucket):
    s3.delete_object(Bucket=bucket, Key="maps/b")

    done = run("data", "audit", "--source", "maps", "--ids", "a", "b")

    assert done.status == 1
    assert "missing" in done.out
    assert "maps/b" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sample", "0"], "'0' is no share"),
        (["--sample", "many"], "'many' is no share"),
        (["--budget", "much"], "'much' is no size"),
        (["--budget-s", "-1"], "--budget-s"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, maps, arguments, words):
    refused = run("data", "audit", "--source", "maps", *arguments)

    assert (refused.status, words in refused.err) == (2, True)
