"""The boundary between the front process and the engine process."""
