"""`s3pipelines objects …`."""

import json
import re

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def maps(run: Run, bucket, put_objects) -> None:
    """A source of three objects, indexed; one key would fool a terminal."""
    put_objects("maps/b.tif", "maps/a.tif", "maps/c\x1b[2J.png")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    run("index", "refresh", "--source", "maps")


def test_people_get_a_page_and_the_way_to_the_next_one(run: Run, maps):
    first = run("objects", "list", "--source", "maps", "--limit", "2")

    assert first.status == 0
    assert first.out.index("maps/a.tif") < first.out.index("maps/b.tif")
    assert "2 of 3 objects" in first.out
    found = re.search(r"--after (\S+)", first.out)
    assert found is not None
    rest = run("objects", "list", "--source", "maps", "--after", found[1])
    assert r"maps/c\x1b[2J.png" in rest.out
    assert "1 of 3 objects; none follows." in rest.out


def test_json_has_all_columns_the_total_and_the_token(run: Run, maps):
    done = run(
        "objects", "list", "--source", "maps", "--sort", "key", "--order", "desc",
        "--limit", "1", "--json",
    )  # fmt: skip

    shown = json.loads(done.out)
    assert (shown["source"], shown["total"]) == ("maps", 3)
    assert shown["objects"][0]["key"] == "maps/c\x1b[2J.png"
    assert {"bucket", "version_id", "indexed_at"} <= shown["objects"][0].keys()
    after = run(
        "objects", "list", "--source", "maps", "--order", "desc", "--json",
        "--after", shown["next"],
    )  # fmt: skip
    assert [row["key"] for row in json.loads(after.out)["objects"]] == ["maps/b.tif", "maps/a.tif"]
    assert json.loads(after.out)["next"] is None


def test_what_is_wrong_exits_2_with_one_line_that_helps(run: Run, maps):
    for options, words in (
        (["--offset", "1", "--after", "x"], "exclude each other"),
        (["--sort", "size"], "Did you mean size_bytes?"),
        (["--where", "size > 1"], "Did you mean size_bytes?"),
        (["--after", "x"], "not a place in a listing"),
        (["--limit", "100000"], "format csv"),
    ):
        refused = run("objects", "list", "--source", "maps", *options)

        assert (refused.status, refused.out) == (2, "")
        assert words in refused.err


def test_listed_keys_that_are_not_there_are_named_with_status_1(run: Run, maps, tmp_path):
    listed = tmp_path / "keys.txt"
    listed.write_text("maps/b.tif\nmaps/nothing.tif\n")

    done = run("objects", "list", "--source", "maps", "--keys-from", str(listed), "--json")

    assert done.status == 1
    assert [row["key"] for row in json.loads(done.out)["objects"]] == ["maps/b.tif"]
    assert "'maps/nothing.tif'" in done.err
