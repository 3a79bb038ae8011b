"""The stages of a request, run in the engine process."""
