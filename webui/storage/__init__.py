"""Pictures and preferences on disk."""
