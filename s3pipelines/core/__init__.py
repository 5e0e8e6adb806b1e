"""The domain: everything the project can do, as plain Python.

Never imports Dagster, click or a web framework: the assets, jobs, sensors, command line and
pages are faces on what stands here, so that each of them does exactly the same.
"""
