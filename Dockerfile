# The operator: no torch, no compiler, no shell needed, a user without rights; works on a read-only root.
#
#     docker build -t tacotune/operator .
#
# Build secrets, both optional and kept in no layer: `pip` (a pip.conf that names an index) and `ca` (its certificates).
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG UV_VERSION=0.13.9
ARG HATCHLING_VERSION=1.33.0
# The sampler `gp` needs torch, half a gigabyte without CUDA: --build-arg PACKAGES=torch
ARG PACKAGES=""
ENV PIP_CONFIG_FILE=/run/secrets/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && python3 -m venv /opt/build && python3 -m venv --without-pip /opt/tacotune \
 && /opt/build/bin/pip install "uv==${UV_VERSION}" "hatchling==${HATCHLING_VERSION}"
COPY pyproject.toml uv.lock ./
COPY trainer-image/pyproject.toml trainer-image/
# The locked packages, by their hashes; in a layer of their own, which a change of the code does not touch.
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && /opt/build/bin/uv export --quiet --frozen --no-dev --extra kubernetes --no-emit-workspace --output-file requirements.txt \
 && /opt/build/bin/pip --python /opt/tacotune/bin/python install --no-deps --require-hashes -r requirements.txt \
 && if [ -n "${PACKAGES}" ]; then /opt/build/bin/pip --python /opt/tacotune/bin/python install ${PACKAGES}; fi \
 && find /opt/tacotune -depth -type d -name tests -path '*/site-packages/*' -exec rm -rf {} +
COPY LICENSE README.md ./
COPY operator operator
RUN /opt/build/bin/pip --python /opt/tacotune/bin/python install --no-deps --no-build-isolation --no-index \
      "$(/opt/build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
         && ls /wheels/*.whl)"

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="tacotune operator" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 tacotune \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin tacotune
COPY --from=build /opt/tacotune /opt/tacotune
ENV PATH=/opt/tacotune/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["tacotune"]
