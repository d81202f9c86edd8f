"""What people are told: it never decides."""
