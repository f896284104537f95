# The chat service. Built from the project's root:  docker build --file docker/chat.Dockerfile --tag sluice-chat .
# No model inside: it is fetched once into the volume, or mounted and named by GGUF_PATH.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
# hadolint ignore=DL3006
FROM ${BASE} AS build

# The base is pinned by its tag, and what comes from Debian here stays in this stage.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*

# The certificates of the system: a builder behind a proxy has its authority there.
ENV XDG_CACHE_HOME=/build/cache UV_CACHE_DIR=/build/cache/uv UV_LINK_MODE=copy UV_SYSTEM_CERTS=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# uv stays here: the environment it fills is the only thing that leaves this stage.
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet uv==0.13.8 \
    && /opt/uv/bin/uv venv --quiet --python "$(command -v python3)" /opt/sluice

# An image runs on other processors than the one that built it: AVX2 is what every node type we name has. AVX512=ON makes
# the image for nodes that are known to have that and its VNNI (c6i, c7i, c7a); anywhere else it dies of SIGILL.
ARG LLAMA_CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON"
ARG AVX512=OFF
COPY pyproject.toml ./
COPY scripts/llama_wheel.py scripts/no_common.cmake scripts/
# Minutes of compiling, so the wheel outlives this layer: it is kept under a key of all that shapes it.
RUN --mount=type=cache,id=sluice-llama,target=/build/cache/sluice,sharing=locked \
    export LLAMA_CMAKE_ARGS="$LLAMA_CMAKE_ARGS -DGGML_AVX512=$AVX512 -DGGML_AVX512_VNNI=$AVX512" \
    && python3 scripts/llama_wheel.py build \
    && mkdir wheel && cp "$(python3 scripts/llama_wheel.py path)" wheel/

# Dependencies before the source: a change of code leaves these layers alone.
COPY constraints.txt ./
RUN --mount=type=cache,id=sluice-uv,target=/build/cache/uv \
    /opt/uv/bin/uv pip install --quiet --compile-bytecode --python /opt/sluice/bin/python \
        --constraint constraints.txt --requirement pyproject.toml --extra chat --extra otel wheel/*.whl
# Says what the engine was built for, and ends the build should it have lost its fast paths.
RUN /opt/sluice/bin/python -c "import platform, llama_cpp; info = llama_cpp.llama_print_system_info().decode(); print(info); \
assert platform.machine() != 'x86_64' or 'AVX2 = 1' in info"

COPY README.md LICENSE ./
COPY serving serving
COPY service_chat service_chat
RUN --mount=type=cache,id=sluice-uv,target=/build/cache/uv \
    /opt/uv/bin/uv pip install --quiet --no-deps --compile-bytecode --python /opt/sluice/bin/python .

# hadolint ignore=DL3006
FROM ${BASE}
LABEL org.opencontainers.image.title="sluice-chat" \
      org.opencontainers.image.description="Triage questions answered from the patient's record by a local language model" \
      org.opencontainers.image.licenses="Apache-2.0"
# llama.cpp's threads are OpenMP's.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner 10001 --group 10001 /var/lib/sluice
COPY --from=build /opt/sluice /opt/sluice
# On 0.0.0.0 it starts only where it is told who may ask, or that anybody may: docs/access.md.
ENV PATH=/opt/sluice/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/sluice \
    HOST=0.0.0.0 \
    MODEL_CACHE_DIR=/var/lib/sluice/models \
    RECORDS_PATH=/var/lib/sluice/records.sqlite
WORKDIR /var/lib/sluice
# A number, so that a cluster can see that it is not root.
USER 10001:10001
# This folder and /tmp are all that is ever written; the rest may be mounted read-only.
VOLUME /var/lib/sluice
EXPOSE 8002
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8002/health', timeout=2)"]
CMD ["python", "-m", "service_chat"]
# Last, because it changes with every commit and all above need not be made again for that.
ARG REVISION=unknown
LABEL org.opencontainers.image.revision="${REVISION}"
ENV BUILD_REVISION=${REVISION}
