"""What a pipeline has left in AWS, and its deletion."""
