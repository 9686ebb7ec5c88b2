# One image for all that runs: `serve` (the default), `worker` and `migrate`. Built from what is in the repository alone.
#
# The base images are pinned by their version tags: they get the security updates of their distribution at each build,
# and what Headwater itself is made of is pinned by the hashes of requirements.lock and package-lock.json. To pin the
# base too: --build-arg PYTHON=3.11-slim-trixie@sha256:… (docs/decisions/0018-one-image.md).
ARG NODE=24-trixie-slim
ARG PYTHON=3.11-slim-trixie


# The page at /graphiql.
FROM node:${NODE} AS page
WORKDIR /page
COPY api/web/graphiql/package.json api/web/graphiql/package-lock.json api/web/graphiql/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY api/web/graphiql/ ./
RUN npm run build


# /opt/headwater: the dependencies, without what builds them. /opt/project: what is added to it, and changes more often.
FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/tools && python -m venv --without-pip /opt/headwater
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/tools/bin/pip download --quiet --require-hashes --only-binary :all: --dest wheels -r requirements.lock
# From here on nothing is fetched: what is not in the lock file cannot be had.
COPY pyproject.toml README.md ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > needed.txt \
    && /opt/tools/bin/pip --python /opt/headwater install --quiet --no-index --find-links wheels -r needed.txt \
    && /opt/tools/bin/pip install --quiet --no-compile --no-index --find-links wheels hatchling editables \
    && mkdir -m 700 /data
COPY domain/ domain/
COPY connectors/ connectors/
COPY persistence/ persistence/
COPY api/ api/
COPY --from=page /page/dist api/web/graphiql/dist
RUN /opt/tools/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir built . \
    && /opt/tools/bin/pip --python /opt/headwater install --quiet --no-index --no-deps --prefix /opt/project built/*.whl


FROM python:${PYTHON} AS headwater
LABEL org.opencontainers.image.title="Headwater" \
      org.opencontainers.image.description="Every data source, one live graph: a GraphQL server over the catalogs of your databases"
# The modules are compiled already, and nothing but /data is written to: the root file system may be read-only.
ENV PATH=/opt/headwater/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEADWATER_HOST=0.0.0.0 \
    HEADWATER_PORT=8000 \
    HEADWATER_DATA_DIR=/data
COPY --link --from=build /opt/headwater /opt/headwater
COPY --link --from=build /opt/project /opt/headwater
# A new volume takes over owner and mode of the folder that it is mounted on.
COPY --chown=10001:10001 --from=build /data /data
# By number: Kubernetes can tell that it is not root (runAsNonRoot).
USER 10001:10001
# SQLite sorts large results in the current folder where there is no /tmp to write to.
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# For `serve`. A worker listens nowhere: start it with --no-healthcheck. Not urllib, which would ask HTTP_PROXY.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['HEADWATER_PORT']), timeout=2); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
# Beyond loopback Headwater serves only who shows HEADWATER_ADMIN_KEY; without that setting it does not start.
ENTRYPOINT ["headwater"]
CMD ["serve"]
