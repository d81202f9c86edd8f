"""A real Airflow on one machine, each of its services a process of its own: for ``make up``, tests and benchmarks."""
