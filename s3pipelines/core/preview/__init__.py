"""What is shown of a collection: contact sheets."""
