# The forecast service, in two sizes. Built from the project's root:
#   docker build --file docker/inference.Dockerfile --target serving --tag sluice-inference .
#   docker build --file docker/inference.Dockerfile --target full    --tag sluice-inference-full .
# `serving` answers, works claims and follows promotions on ONNX Runtime and numpy. `full` has torch too: it trains, and
# serves a bundle whose recorded forecasts ONNX Runtime does not repeat. The default bundle is inside both; another one is
# mounted and named by BUNDLE_PATH, or promoted.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
# hadolint ignore=DL3006
FROM ${BASE} AS serving-build

# The certificates of the system: a builder behind a proxy has its authority there.
ENV UV_CACHE_DIR=/build/cache/uv UV_LINK_MODE=copy UV_SYSTEM_CERTS=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# uv stays here: the environment it fills is the only thing that leaves this stage.
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet uv==0.13.8 \
    && /opt/uv/bin/uv venv --quiet --python "$(command -v python3)" /opt/sluice
# Dependencies before the source: a change of code leaves these layers alone.
COPY pyproject.toml constraints.txt ./
RUN --mount=type=cache,id=sluice-uv,target=/build/cache/uv \
    /opt/uv/bin/uv pip install --quiet --compile-bytecode --python /opt/sluice/bin/python \
        --constraint constraints.txt --requirement pyproject.toml --extra inference --extra otel
COPY README.md LICENSE ./
COPY serving serving
COPY inference_container inference_container
RUN --mount=type=cache,id=sluice-uv,target=/build/cache/uv \
    /opt/uv/bin/uv pip install --quiet --no-deps --compile-bytecode --python /opt/sluice/bin/python . \
    && ! /opt/sluice/bin/python -c "import torch" 2>/dev/null

# hadolint ignore=DL3006
FROM ${BASE} AS runtime
LABEL org.opencontainers.image.title="sluice-inference" \
      org.opencontainers.image.description="Forecasts of time series over HTTP and Kafka" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN install --directory --owner 10001 --group 10001 /var/lib/sluice
ENV PATH=/opt/sluice/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/sluice \
    HOST=0.0.0.0
WORKDIR /var/lib/sluice
# A number, so that a cluster can see that it is not root.
USER 10001:10001
# This folder (promoted bundles, networks ready to compute) and /tmp are all that is ever written; the rest may be mounted
# read-only, and neither need outlive the container.
VOLUME /var/lib/sluice
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "-m", "inference_container", "serve"]

FROM runtime AS serving
COPY --from=serving-build /opt/sluice /opt/sluice
# Last, because it changes with every commit and all above need not be made again for that.
ARG REVISION=unknown
LABEL org.opencontainers.image.revision="${REVISION}"
ENV BUILD_REVISION=${REVISION}

FROM serving-build AS full-build
# PyTorch's CPU build has 200 MB, the default index's brings CUDA along and some GB. An empty value takes the latter.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,id=sluice-uv,target=/build/cache/uv \
    if [ -n "$TORCH_INDEX" ]; then \
        /opt/uv/bin/uv pip install --quiet --compile-bytecode --python /opt/sluice/bin/python --no-deps \
            --index-url "$TORCH_INDEX" "$(grep -o '^torch==[^ ;]*' constraints.txt)"; \
    fi \
    && /opt/uv/bin/uv pip install --quiet --compile-bytecode --python /opt/sluice/bin/python \
        --constraint constraints.txt --requirement pyproject.toml --extra train

FROM runtime AS full
COPY --from=full-build /opt/sluice /opt/sluice
ARG REVISION=unknown
LABEL org.opencontainers.image.revision="${REVISION}"
ENV BUILD_REVISION=${REVISION}

# What is built where no target is named. Last and not first, because older builders build all that stands before.
FROM serving
