"""How large a pipeline file's own values may be, and why: far from any use, and from where somebody else would fail.

A value that Airflow or its database cannot take is found when the DAGs of a file are built or stored, by which time it
takes the other DAGs of that file with it.
"""

from __future__ import annotations

import datetime as dt

# What Airflow's database holds of a connection's name, and of an owner's (log.owner is the shortest that keeps one).
LONGEST_CONNECTION = 250
LONGEST_OWNER = 500
# MySQL keeps a DAG's description in 64 kB, four to a character.
LONGEST_DESCRIPTION = 10_000
# dag_tag.name; Airflow's DAG raises for a longer one.
LONGEST_TAG = 100
# slot_pool.pool.
LONGEST_POOL = 256
# Weights of all tasks that come after one are added up, in a database's integer.
HIGHEST_PRIORITY = 1000
LONGEST_SPREAD_MINUTES = 24 * 60
# The dotted name of a Python class.
LONGEST_CLASS = 200
MOST_NOTIFIERS = 10
LONGEST_SCHEDULE = 200
LONGEST_TIMEZONE = 64
LONGEST_PATTERN = 1000
LONGEST_RULE = 300
MOST_LISTED = 100
# Each is looked for wherever the pipeline's name is.
MOST_FORMER_NAMES = 10
# Slack takes 3000 characters in a text, and links of any number of them.
MOST_MENTIONED = 10
LONGEST_ADDRESS = 1000
# Days whose neighbours exist in every time zone, and that cron can count from.
FIRST_DAY = dt.date(1970, 1, 2)
LAST_DAY = dt.date(2199, 12, 31)
# What Airflow adds to a moment, or puts into a database's integer. All far from where that fails, and from any use.
LONGEST_WAIT_MINUTES = 30 * 24 * 60
LONGEST_RETRY_DELAY_SECONDS = 24 * 3600
MOST_RETRIES = 100
MOST_RUNS = 1000
MOST_KEPT = 10_000
# SageMaker's own limit for a container's start. Asking is done in a worker's slot:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html
LONGEST_PATIENCE_SECONDS = 3600
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html, InputDataConfig, and API_Channel
MOST_CHANNELS = 20
LONGEST_CONTENT_TYPE = 256
