"""The object index: bringing the table `objects` up to date with what S3 has.

`refresh` is the story; the other modules are its steps: `spool` writes the listing to disk,
`changes` compares it with the index, `commit` writes the difference, and `summary` describes the
result. `checks` asks whether the index can be relied on.
"""
