"""How fast the pipelines wait, and what waiting and parsing cost: ``make bench`` writes docs/benchmarks.md."""
