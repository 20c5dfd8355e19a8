# syntax=docker/dockerfile:1
#
#   docker build --tag cloakroom .
#
# Bases are named by tag. Pin them by digest where you build:
# docker buildx imagetools inspect rust:1.95.0-bookworm

FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
# What was downloaded and compiled stays with the builder and is in no layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin cloakroom \
    && strip --strip-debug -o /cloakroom target/release/cloakroom \
    && infra/container/assemble /cloakroom /image \
    && mv /image/var/lib/cloakroom /data

FROM scratch AS broker
COPY --from=build /image/ /
# Apart, and to where nothing is yet: a folder that is there already keeps its owner.
COPY --from=build --chown=65532:65532 --chmod=0700 /data /var/lib/cloakroom
LABEL org.opencontainers.image.title="Cloakroom" \
      org.opencontainers.image.description="A capability-token sharing and pre-signed upload broker" \
      org.opencontainers.image.licenses="Apache-2.0"
# A number, so that a supervisor sees that it is not root.
USER 65532:65532
ENV CLOAKROOM_DATA_DIR=/var/lib/cloakroom \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# A volume that is mounted here, by Docker or on Fargate, is owned by whoever owns the
# folder: where the broker keeps its files is this path, in infra/service.yaml too.
VOLUME ["/var/lib/cloakroom"]
EXPOSE 8080 8081 8082
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/cloakroom", "health"]
ENTRYPOINT ["/usr/local/bin/cloakroom"]
CMD ["serve"]
