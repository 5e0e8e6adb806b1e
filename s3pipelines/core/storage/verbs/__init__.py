"""What S3 can be asked to do with single objects, asynchronously: one file per verb.

Each takes a `BucketClient`, which signs, repeats what is worth repeating and keeps the pace, and
raises the project's own errors, which name the object.
"""
