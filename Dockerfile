# docker build . — a server with all readers, without tests and benches. docs/operations.md says what it needs to run.
# The image holds FFmpeg with x264 and x265 (in the wheel av), which are under GPL-2.0-or-later, linked with libraries under
# LGPL-3.0: who passes the image on does so under GPL-3.0. Darkroom's own code is under Apache-2.0.

# What the page at /ui/ plays streams with: hls.js, held against the hash in its lock.
FROM node:20-bookworm-slim AS players
WORKDIR /build
COPY proxy/pages/players proxy/pages/players
RUN ./proxy/pages/players/install.sh && test -s proxy/pages/players/hls.js

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock ./
# All of the lock, each file held against its hash; the server takes what it needs from these and from nowhere else.
RUN pip wheel --require-hashes --requirement requirements.lock --wheel-dir wheels
COPY pyproject.toml README.md LICENSE ./
COPY signing signing
COPY transforms transforms
COPY proxy proxy
COPY --from=players /build/proxy/pages/players proxy/pages/players
RUN pip wheel --no-deps --wheel-dir wheels . \
    && python -m venv /opt/darkroom \
    && /opt/darkroom/bin/pip install --no-index --find-links wheels "darkroom[server,readers,turbo,swift,otel]"

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Darkroom" \
    org.opencontainers.image.description="An origin server for pictures, films and sounds: one original, every rendition by URL." \
    org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later"
# Security fixes of a release keep its version's name, so versions are those of the base image's day.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fontconfig-config fonts-dejavu-core libjemalloc2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin darkroom \
    && install --directory --owner darkroom --group darkroom --mode 0700 /var/cache/darkroom
COPY --from=build /opt/darkroom /opt/darkroom
COPY LICENSE /usr/share/doc/darkroom/LICENSE
ENV PATH=/opt/darkroom/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DARKROOM_HOST=0.0.0.0 \
    DARKROOM_CACHE=/var/cache/darkroom
USER 10001:10001
VOLUME /var/cache/darkroom
EXPOSE 8300
# Draining and stopping take their time: give it 30 seconds (`--stop-timeout 30`).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8300/health', timeout=2)"]
ENTRYPOINT ["darkroom"]
CMD ["serve"]
