# The forecast service. Built from the project's root:
#   docker build --file docker/inference.Dockerfile --tag sluice-inference .
# The default bundle is inside; another one is mounted and named by BUNDLE_PATH.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
# hadolint ignore=DL3006
FROM ${BASE} AS build

# The certificates of the system: a builder behind a proxy has its authority there.
ENV UV_LINK_MODE=copy UV_SYSTEM_CERTS=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python3 -m venv /opt/sluice && /opt/sluice/bin/pip install --quiet uv==0.13.8

COPY pyproject.toml constraints.txt ./
# PyTorch's CPU build has 200 MB, the default index's brings CUDA along and some GB. An empty value takes the latter.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN if [ -n "$TORCH_INDEX" ]; then \
        /opt/sluice/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/sluice/bin/python --no-deps \
            --index-url "$TORCH_INDEX" "$(grep -o '^torch==[^ ;]*' constraints.txt)"; \
    fi
# Dependencies before the source: a change of code leaves these layers alone.
RUN /opt/sluice/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/sluice/bin/python \
        --constraint constraints.txt --requirement pyproject.toml --extra inference

COPY README.md LICENSE ./
COPY serving serving
COPY inference_container inference_container
RUN /opt/sluice/bin/uv pip install --quiet --no-cache --no-deps --compile-bytecode --python /opt/sluice/bin/python . \
    && /opt/sluice/bin/pip uninstall --quiet --yes uv pip

# hadolint ignore=DL3006
FROM ${BASE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sluice-inference" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/sluice /opt/sluice
ENV PATH=/opt/sluice/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    HOST=0.0.0.0
WORKDIR /tmp
# A number, so that a cluster can see that it is not root.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "-m", "inference_container", "serve"]
