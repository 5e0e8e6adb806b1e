"""Which rows without a result are failures, which somebody may want to do something about.

An archived object is none, nor is an object that is no image and whose name does not say so, nor
what was removed because its object was gone.
"""

from s3pipelines.core.imaging.extensions import IMAGES
from s3pipelines.core.imaging.outcomes import REMOVED
from s3pipelines.core.sql.quoting import sql_text


def is_failure(reason: str | None, extension: str) -> bool:
    """Whether an object of this extension, and with this `error`, is an image that is bad."""
    if reason in (None, "archived", REMOVED):
        return False
    return reason != "not_an_image" or extension in IMAGES


def failure_condition(extension: str = "extension") -> str:
    """The same as an SQL condition over a row with `error`.

    Args:
        extension: An SQL expression for the extension of its object.
    """
    names = ", ".join(sql_text(name) for name in sorted(IMAGES))
    return (
        f"(error IS NOT NULL AND error NOT IN ('archived', {sql_text(REMOVED)}) "
        f"AND (error <> 'not_an_image' OR {extension} IN ({names})))"
    )
