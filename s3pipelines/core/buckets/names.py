"""What a new bucket may be called."""

import re

from s3pipelines.core.errors import InvalidInput

_HINT = "Use 3 to 63 lower-case letters, digits and '-', with a letter or digit at both ends."
# S3 User Guide, "General purpose bucket naming rules".
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BESIDE = re.compile(r"\.[.-]|-\.")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_new_name(name: str) -> None:
    """Make sure that S3 takes the name for a new bucket, before it is asked.

    Raises:
        InvalidInput: It does not; the message says which rule is broken.
    """
    if why := _broken_rule(name):
        raise InvalidInput(f"{name!r} cannot be the name of a bucket: {why}.", hint=_HINT)


def _broken_rule(name: str) -> str | None:
    rules = (
        (not 3 <= len(name) <= 63, f"it has {len(name)} characters"),
        (name != name.lower(), "it has capitals"),
        (not _NAME.fullmatch(name), "it has characters that S3 refuses there"),
        (bool(_BESIDE.search(name)), "a '.' stands beside another '.' or a '-'"),
        (bool(_ADDRESS.fullmatch(name)), "it looks like an IP address"),
        (name.startswith(_RESERVED_STARTS), "AWS keeps names that begin so for itself"),
        (name.endswith(_RESERVED_ENDS), "AWS keeps names that end so for itself"),
    )
    return next((why for broken, why in rules if broken), None)
