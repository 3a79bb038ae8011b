"""HTTP: A1111's /sdapi/v1 and our own /api/v1."""
