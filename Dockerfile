# Airflow with what the pipelines need. The code is mounted, not copied: see docker-compose.yaml.
ARG AIRFLOW_VERSION=3.3.2
FROM apache/airflow:${AIRFLOW_VERSION}

COPY requirements.txt /tmp/requirements.txt
# The base image holds Airflow and its providers in versions that were tested together; they stay as they are, and what
# is missing is added. Naming Airflow's version keeps it from being replaced:
# https://airflow.apache.org/docs/docker-stack/build.html
ARG AIRFLOW_VERSION
# celery: the Celery provider (3.26) imports celery.backends.database.retry, which celery 5.7 no longer has.
RUN pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" "celery<5.7" --requirement /tmp/requirements.txt
