"""The resources: how assets, jobs and sensors get at S3, the catalog and DuckDB."""
