"""The demo: an embedded S3, real photographs, and the whole project at work on them.

`collection` is what is uploaded, `stage` sets S3, settings and sources up, `headless` runs the flow
once and checks what came out, `live` keeps it running with the Dagster UI.
"""
