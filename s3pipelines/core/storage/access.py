"""How to reach an S3: which credentials, which endpoint, which region.

The catalog has one access, and each source may have its own; what a source leaves open it takes
from the catalog's.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import urlsplit

# Written for a source that lies on AWS itself while the environment names another endpoint.
AWS_ENDPOINT = "aws"


@dataclass(frozen=True)
class StaticKeys:
    """An access key that was given outright; never shown in a representation."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Access:
    """What is needed to talk to one S3; what is None comes from botocore's standard chain."""

    profile: str | None = None
    role_arn: str | None = None
    anonymous: bool = False
    endpoint_url: str | None = None
    region: str | None = None
    requester_pays: bool = False
    static_keys: StaticKeys | None = None
    use_ssl: bool = True
    verify: bool | None = None
    max_attempts: int = 5

    def for_source(
        self,
        *,
        profile: str | None = None,
        role_arn: str | None = None,
        anonymous: bool = False,
        endpoint_url: str | None = None,
        requester_pays: bool = False,
    ) -> "Access":
        """This access with what a source says of its own in its place.

        A source with an identity of its own (a profile, or none at all) does not inherit the
        keys; a source with a role assumes it with the keys of its profile or of the catalog.
        """
        own_identity = bool(profile) or anonymous
        elsewhere = bool(endpoint_url) and endpoint_url != self.endpoint_url
        return replace(
            self,
            # An anonymous source keeps the profile, which may name the endpoint and the region.
            profile=profile or self.profile,
            static_keys=None if own_identity else self.static_keys,
            role_arn=role_arn or (None if own_identity else self.role_arn),
            anonymous=anonymous or (self.anonymous and not (profile or role_arn)),
            endpoint_url=endpoint_url or self.endpoint_url,
            # What the catalog says of its own server (a region, a certificate that nobody signed)
            # says nothing about another one.
            region=None if elsewhere or profile else self.region,
            use_ssl=True if elsewhere else self.use_ssl,
            verify=None if elsewhere else self.verify,
            requester_pays=requester_pays or self.requester_pays,
        )


def same_endpoint(one: str | None, other: str | None) -> bool:
    """Tell whether two endpoint addresses (None: AWS) lead to the same server, by their text."""
    return _normal_endpoint(one) == _normal_endpoint(other)


@lru_cache(maxsize=64)
def _normal_endpoint(url: str | None) -> str:
    if url is None or url == AWS_ENDPOINT:
        return AWS_ENDPOINT
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return AWS_ENDPOINT
    # With and without TLS it is the same server, as a rule; a wrong "same" only asks for another
    # prefix, while a wrong "other" would let the project index its own output.
    port = "" if parts.port in (None, 80, 443) else f":{parts.port}"
    return f"{'127.0.0.1' if host in ('localhost', '::1') else host}{port}"
