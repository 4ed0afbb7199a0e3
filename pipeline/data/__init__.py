"""The images: found, fetched, verified, split and written; and a person's own, read alike."""
