"""Each setting, from a file to the words of S3 and back: nothing of it is lost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from s3pipelines.core.buckets.bucket_file import wanted_of
from s3pipelines.core.buckets.settings import SETTINGS
from s3pipelines.core.buckets.settings.form import Inexpressible
from s3pipelines.core.buckets.settings.policy import canonical
from s3pipelines.core.buckets.yaml_text import read_yaml, yaml_text

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:q"
RULES = [
    {"id": "days", "prefix": "a/", "expire_after_days": 3},
    {"id": "date", "expire_on": "2030-01-02", "transitions": [{"storage_class": "X", "days": 0}]},
    {"id": "one tag", "tags": {"a": "b"}, "expire_after_days": 1},
    {"id": "sizes", "larger_than_bytes": 0, "smaller_than_bytes": 9, "expire_after_days": 1},
    {"id": "one size", "smaller_than_bytes": 9, "abort_incomplete_uploads_days": 1},
    {
        "id": "old",
        "enabled": False,
        "old_versions": {
            "transitions": [{"storage_class": "GLACIER", "days": 1, "keep_newest": 2}],
            "expire_after_days": 5,
            "keep_newest": 4,
        },
    },
]
VALUES: list[tuple[str, Any]] = [
    ("versioning", "suspended"),
    ("encryption", {"algorithm": "aws:kms", "kms_key": "k", "bucket_key": True}),
    ("encryption", {"algorithm": "AES256", "blocked_types": ["SSE-C"]}),
    ("public_access_block", {"block_public_policy": False}),
    ("tags", {"b": "2", "a": "1"}),
    *[("lifecycle", [rule]) for rule in RULES],
    ("lifecycle", RULES),
    ("cors", [{"id": "i", "origins": ["*"], "methods": ["PUT"], "max_age_s": 0}]),
    ("policy", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*"}]}),
    (
        "notifications",
        {
            "queues": [{"id": "a", "arn": QUEUE, "events": ["s3:B", "s3:A"], "prefix": "p/"}],
            "functions": [{"id": "f", "arn": QUEUE, "events": ["s3:B"], "suffix": ".tif"}],
            "event_bridge": True,
        },
    ),
]


@pytest.mark.parametrize(("name", "said"), VALUES, ids=str)
def test_what_a_file_says_comes_back_from_s3(name: str, said: Any):
    setting = SETTINGS[name]
    wanted = wanted_of({name: said}, "file").settings[name]

    told = setting.told(wanted, None)

    assert setting.from_s3(told) == wanted
    again = read_yaml(yaml_text({name: wanted}), "file")
    assert wanted_of(again, "file").settings[name] == wanted


def test_an_older_rule_with_its_prefix_outside_of_a_filter_is_understood():
    raw = {"ID": "a", "Prefix": "p/", "Status": "Enabled", "Expiration": {"Days": 1}}

    [rule] = SETTINGS["lifecycle"].from_s3({"Rules": [raw]})

    assert rule == {"id": "a", "prefix": "p/", "expire_after_days": 1}


def test_a_date_is_a_day_of_utc():
    [rule] = wanted_of({"lifecycle": [RULES[1]]}, "file").settings["lifecycle"]

    told = SETTINGS["lifecycle"].told([rule], None)

    assert told is not None
    assert told["Rules"][0]["Expiration"] == {"Date": datetime(2030, 1, 2, tzinfo=UTC)}


def test_what_stands_beside_the_rules_is_written_back():
    beside = {"TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}

    told = SETTINGS["lifecycle"].told([RULES[0]], {"Rules": [], **beside})

    assert told is not None
    assert told.items() >= beside.items()


def test_tags_of_aws_are_neither_shown_nor_taken_away():
    theirs = {"Key": "aws:cloudformation:stack-name", "Value": "s"}
    before = {"TagSet": [theirs, {"Key": "a", "Value": "b"}]}
    tags = SETTINGS["tags"]

    assert tags.from_s3(before) == {"a": "b"}
    assert tags.told(None, before) == {"TagSet": [theirs]}
    assert tags.told(None, {"TagSet": []}) is None


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("lifecycle", {"Rules": [{"ID": "a", "Status": "Enabled", "Newer": 1}]}),
        ("cors", {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "New": 1}]}),
        ("encryption", {"Rules": [{"New": {"a": 1}}]}),
        ("public_access_block", {"New": True}),
        ("notifications", {"NewConfigurations": [1]}),
    ],
)
def test_what_a_file_has_no_words_for_is_never_dropped(name: str, raw: dict[str, Any]):
    with pytest.raises(Inexpressible):
        SETTINGS[name].from_s3(raw)


def test_two_spellings_of_a_policy_are_equal():
    one = {
        "Statement": {
            "Principal": {"AWS": ["123456789012"]},
            "Action": ["s3:PutObject", "s3:GetObject"],
            "Resource": ["arn:aws:s3:::b/*"],
            "Condition": {"Bool": {"aws:SecureTransport": False}},
        }
    }
    other = {
        "Statement": [
            {
                "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": "arn:aws:s3:::b/*",
                "Condition": {"Bool": {"aws:SecureTransport": ["false"]}},
            }
        ]
    }

    assert canonical(one) == canonical(other)
    assert canonical({}) is None


def test_texts_of_a_policy_stay_texts():
    text = "a: 2012-10-17\nb: 012345678901\nc: off\nd: 12\ne: true\nf: 1e3\ng:\nh: 3.5"

    assert list(read_yaml(text, "file").values()) == [
        "2012-10-17",
        "012345678901",
        "off",
        12,
        True,
        "1e3",
        None,
        3.5,
    ]


def test_what_looks_like_another_type_is_written_in_quotes():
    value = {"a": "2012-10-17", "b": "012345678901", "c": "true", "d": "12", "e": "", "f": "~"}

    assert read_yaml(yaml_text(value), "file") == value
