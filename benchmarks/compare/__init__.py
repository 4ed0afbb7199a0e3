"""This pipeline beside what people write instead of it."""
