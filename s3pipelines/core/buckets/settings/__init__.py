"""The settings that a bucket file can have: how a file writes each, and how S3 does."""

from collections.abc import Mapping

from s3pipelines.core.buckets.settings.cors import CORS
from s3pipelines.core.buckets.settings.form import Setting
from s3pipelines.core.buckets.settings.lifecycle import LIFECYCLE
from s3pipelines.core.buckets.settings.notifications import NOTIFICATIONS
from s3pipelines.core.buckets.settings.policy import POLICY
from s3pipelines.core.buckets.settings.simple import (
    ENCRYPTION,
    PUBLIC_ACCESS_BLOCK,
    TAGS,
    VERSIONING,
)

_ALL = (
    VERSIONING,
    ENCRYPTION,
    PUBLIC_ACCESS_BLOCK,
    TAGS,
    LIFECYCLE,
    CORS,
    POLICY,
    NOTIFICATIONS,
)
# In the order in which they are written: see `core/storage/bucket_settings.py`.
SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _ALL}
