"""Uploading by presigned URLs alone: a ticket in, no credentials, and no catalog.

`tickets` reads what `presign put` and `presign multipart` print; `single` sends with one request,
`in_parts` part by part; `done` keeps beside the ticket what was done; `uploading` begins it all.
"""
