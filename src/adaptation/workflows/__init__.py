"""What can be submitted: each workflow's parameters, tasks and canvas."""
