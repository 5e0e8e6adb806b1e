"""How many examples a test of a property tries: a fifth with `make test`, all with `make slow`."""

import os
from typing import Any

from hypothesis import settings

_SHARE = 1 if os.environ.get("S3PIPELINES_TEST_ALL_EXAMPLES") else 5


def examples(in_full: int, **options: Any) -> settings:
    """Settings of hypothesis for a test whose examples take their time.

    Args:
        in_full: How many examples `make slow` tries, and the continuous integration with it.
        options: More settings.
    """
    return settings(max_examples=-(-in_full // _SHARE), **options)
