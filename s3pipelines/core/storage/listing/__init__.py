"""Listing what is below a prefix, in key order, as Arrow batches.

`serial` lists page by page, `parallel` a whole bucket by ranges of keys that `ranges` divides where
`key_model` expects most. Both ask by `asking`, and read by `parsing`, nearly always by
`quick_parsing`. Where versions are wanted, `versions` asks, and `version_parsing` reads. `pages`
says what a page is, and when it cannot be relied on.
"""
