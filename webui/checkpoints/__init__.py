"""Which weights: the catalog (light) and the pipeline manager (engine process)."""
