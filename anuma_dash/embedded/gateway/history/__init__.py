"""Chat history."""
