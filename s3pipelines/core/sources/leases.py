"""Names of the leases on a source, by which its writers take turns."""


def index_lease(source_id: str) -> str:
    """Name of the lease that the one writer of a source's index holds."""
    return f"leases/objects/{source_id}.json"


def listing_lease(source_id: str) -> str:
    """Name of the lease that the one who lists a source in full holds."""
    return f"leases/listing/{source_id}.json"
