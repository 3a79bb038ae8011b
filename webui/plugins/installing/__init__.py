"""Extensions fetched, looked at, installed, updated, rolled back and removed: nothing of theirs runs before they are loaded."""
