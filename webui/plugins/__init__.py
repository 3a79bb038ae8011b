"""Extensions: what they may do, and how they are found and loaded."""
