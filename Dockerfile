# Airflow with what the pipelines need. The code is mounted, not copied: see docker-compose.yaml.
# Another base image, such as one without a digest or of an older Airflow: --build-arg AIRFLOW_IMAGE=apache/airflow:3.1.8
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2-python3.12@sha256:9df9c8be4096b9cc626bd7cb1f2b8c712eef66c59c615f8c7e6200871ca10bd1
FROM ${AIRFLOW_IMAGE}

COPY requirements.txt requirements-image.lock /tmp/
# The base image holds Airflow and its providers in versions that were tested together; they stay as they are, and what
# is missing is added. Then pip has nowhere to download from: it fails if the image lacks what requirements.txt asks for.
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /tmp/requirements-image.lock \
    && pip install --no-index --requirement /tmp/requirements.txt

USER airflow
