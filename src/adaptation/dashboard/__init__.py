"""Pages for people: what the API tells and does, seen in a browser."""
