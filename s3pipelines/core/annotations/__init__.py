"""What people know of the objects: their own catalogue, as a table beside the index.

A file with a column of keys becomes the rows of a source in the table `annotations`. SQL joins
them to the index by source and key; nothing else of the project reads them.
"""
