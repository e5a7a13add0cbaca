# Kennel on Deno. The first stage fetches the packages and takes out what is not run; the second adds nothing but them and the sources to Debian.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" -t kennel .
#   docker run --read-only --tmpfs /tmp -v kennel:/data -p 127.0.0.1:7400:7400 -e KENNEL_AUTH=off kennel
#
# A node that listens for others than its own machine asks for keys (kennel keys create) unless KENNEL_AUTH=off; then keep the port to yourself.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY image image
RUN sh image/prune.sh node_modules
COPY main.ts README.md ARCHITECTURE.md LICENSE NOTICE ./
COPY runtime runtime
COPY config config
COPY telemetry telemetry
COPY transport transport
COPY supervisor supervisor
COPY actors actors
COPY cluster cluster
COPY bridge bridge
COPY node node
COPY tooling/launch.mjs tooling/launch.mjs
RUN sh image/warm_cache.sh && mkdir data

FROM debian:12-slim
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Kennel" \
    org.opencontainers.image.description="A retrieval server for RAG that keeps its retrievers warm" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
WORKDIR /app
COPY --from=build /app ./
COPY --from=build --chown=65532:65532 /app/data /data
ENV KENNEL_PROFILE=production \
    KENNEL_DATA_DIR=/data \
    KENNEL_HTTP_HOST=0.0.0.0 \
    KENNEL_LOAD_DOCUMENTATION=false \
    DENO_DIR=/app/.deno \
    DENO_NO_UPDATE_CHECK=1
USER 65532:65532
EXPOSE 7400
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/app/image/health_check.sh"]
ENTRYPOINT ["/app/image/entrypoint.sh"]
CMD ["serve"]
