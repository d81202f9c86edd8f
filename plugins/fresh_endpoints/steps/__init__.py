"""What a step does: one file a task, and what tasks share."""
