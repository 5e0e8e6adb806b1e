"""Buckets themselves: made, shown, configured from a file, emptied and removed; presigned URLs.

`settings/` says of each setting how a file writes it and how S3 does.
"""
