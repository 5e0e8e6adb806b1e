"""The seam to S3: locations, credentials, clients, errors, listing, small documents and leases.

The only place that imports boto3, botocore or obstore. What a bucket or a folder says in its own
words is turned once, here, into the terms of the rest of the project.
"""
