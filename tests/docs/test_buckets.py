"""The guide to buckets says what works: its file is applied, and its commands exist."""

import re
from pathlib import Path

import click

from s3pipelines.cli import cli
from s3pipelines.core.buckets.bucket_file import BucketFile, wanted_of
from s3pipelines.core.buckets.configuring import apply_differences, compare
from s3pipelines.core.buckets.settings import SETTINGS
from s3pipelines.core.buckets.settings.cors import CorsRule
from s3pipelines.core.buckets.settings.lifecycle import LifecycleRule
from s3pipelines.core.buckets.settings.notifications import Notification
from s3pipelines.core.buckets.settings.simple import Encryption, PublicAccessBlock
from s3pipelines.core.buckets.yaml_text import read_yaml
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.bucket_settings import VERBS, BucketSettings

GUIDE = (Path(__file__).parents[2] / "docs" / "buckets.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)


def test_its_bucket_file_is_applied_and_then_nothing_differs(s3, bucket: str):
    said = read_yaml(EXAMPLE.replace("my-images", bucket), "docs/buckets.md")
    wanted, settings = wanted_of(said, "docs/buckets.md"), BucketSettings(Access(), bucket)

    applied = list(apply_differences(settings, compare(settings, wanted)))

    assert {one.name for one in applied} == set(SETTINGS) - {"notifications"}
    assert [one for one in applied if one.outcome == "failed"] == []
    assert compare(settings, wanted).differences == ()


def test_it_names_everything_that_a_file_can_say():
    named = set(re.findall(r"`([a-z_]+)`", GUIDE))

    models = (LifecycleRule, CorsRule, Notification, Encryption, PublicAccessBlock)
    for model in models:
        assert set(model.model_fields) <= named, model
    assert set(BucketFile.model_fields) - {"bucket"} <= named


def test_it_names_the_permission_of_every_setting():
    assert [verbs.name for verbs in VERBS.values() if f"`{verbs.permission}`" not in GUIDE] == []


def test_its_commands_and_options_exist():
    lines = re.findall(r"^\$? ?s3pipelines (.*)$", GUIDE, flags=re.MULTILINE)
    assert len(lines) > 8

    for line in lines:
        group, name, *words = line.partition("#")[0].split()
        command = cli.get_command(click.Context(cli), group)
        assert isinstance(command, click.Group)
        known = {option for p in command.commands[name].params for option in p.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
