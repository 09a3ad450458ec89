"""`adaptation top`: the queue and the fleet in a terminal, live."""
