"""The edge to the outside: processes, tools, networks, storage, publishing."""
