"""The REST API: the contract of the Task Engine's clients, and what is new beside it."""
