# The service alone; Redis (or Valkey) and Postgres are named by COUNTER_REDIS_URL and COUNTER_DATABASE_URL.
# `docker build -t visitor-counter .` builds it; deploy/compose.yaml runs it with both.

# `counter backup` and `restore` run Postgres' own programs, which must not be older than the server of deploy/compose.yaml.
# Both images are of one release of Debian, so that the libraries fit.
FROM postgres:18-trixie AS postgres
COPY deploy/carry-programs.sh /
RUN sh /carry-programs.sh /opt/postgres \
        /usr/lib/postgresql/18/bin/pg_dump /usr/lib/postgresql/18/bin/pg_restore \
    && /opt/postgres/bin/pg_dump --version

FROM python:3.13-slim-trixie AS build
RUN python -m venv /opt/counter
COPY requirements-serve.lock /
RUN /opt/counter/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r /requirements-serve.lock \
    && /opt/counter/bin/python -m pip uninstall --yes pip
# The program runs from its sources, as `make run` does: no build tool, so nothing unlocked, is needed.
COPY counter /opt/counter/app/counter
COPY sql /opt/counter/app/sql
RUN printf '#!/bin/sh\nexec python -m counter "$@"\n' >/opt/counter/bin/counter \
    && chmod 755 /opt/counter/bin/counter \
    && /opt/counter/bin/python -m compileall -q /opt/counter/app

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="visitor-counter" \
    org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin counter \
    && install --directory --owner=10001 --mode=700 /var/lib/counter/spool /var/lib/counter/backups
COPY --from=postgres /opt/postgres /opt/postgres
COPY --from=build /opt/counter /opt/counter
ENV PATH=/opt/counter/bin:/opt/postgres/bin:$PATH \
    PYTHONPATH=/opt/counter/app \
    PYTHONDONTWRITEBYTECODE=1 \
    COUNTER_HOST=0.0.0.0 \
    COUNTER_ADMIN_HOST=0.0.0.0 \
    COUNTER_SPOOL_DIR=/var/lib/counter/spool
USER 10001
WORKDIR /tmp
# 8080 is for the visitors. 8081 is for the administrator and must not be published to the world.
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from os import environ; from urllib.request import urlopen; urlopen('http://127.0.0.1:' + environ.get('COUNTER_ADMIN_PORT', '8081') + '/healthz', timeout=2)"]
ENTRYPOINT ["counter"]
CMD ["serve"]
