"""What changed in a source since it was indexed: pure comparisons, and bounded slices of a listing.

Every way to notice a change (a slice of a listing, a full listing, later an event) is compared
with the index by the same rule.
"""
