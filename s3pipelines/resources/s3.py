"""The resource `s3`: dagster-aws's `S3Resource`, whose fields are the access of the catalog."""

from dagster_aws.s3 import S3Resource

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.access import Access, StaticKeys


class CatalogS3Resource(S3Resource):
    """The S3 of the catalog, and of every source that names no other.

    Left empty, everything comes from botocore's standard chain (profile, role,
    `AWS_ENDPOINT_URL_S3` …).
    """

    def access(self) -> Access:
        """These fields in the terms of the core."""
        return Access(
            profile=self.profile_name,
            anonymous=self.use_unsigned_session,
            endpoint_url=self.endpoint_url,
            region=self.region_name,
            static_keys=self._static_keys(),
            use_ssl=bool(self.use_ssl),
            verify=self.verify,
            max_attempts=self.max_attempts,
        )

    def _static_keys(self) -> StaticKeys | None:
        if not self.aws_access_key_id and not self.aws_secret_access_key:
            return None
        if not self.aws_access_key_id or not self.aws_secret_access_key:
            raise InvalidInput(
                "The resource 's3' has half a key.",
                hint="Give it aws_access_key_id and aws_secret_access_key, or neither.",
            )
        return StaticKeys(
            self.aws_access_key_id, self.aws_secret_access_key, self.aws_session_token
        )
