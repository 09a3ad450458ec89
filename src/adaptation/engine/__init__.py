"""The durable task engine: it knows tasks, queues, leases and SQL, and no word of video."""
