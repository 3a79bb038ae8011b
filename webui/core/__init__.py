"""What to generate: the request and the texts that describe it. Standard library only."""
