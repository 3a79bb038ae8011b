"""Enlarging pictures: which upscalers there are, reading their files, and running them in tiles."""
