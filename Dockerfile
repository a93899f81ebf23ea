# One executable for every role. Two images come out of this file:
#   sigil  the executable, nothing else, under an account without rights
#   setup  the same with openssl: makes a log, keys and certificates once (docker/setup.sh)

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p sigil \
 && install -D target/release/sigil /out/sigil

FROM debian:bookworm-slim AS sigil
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 sigil \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sigil \
 && install -d -o 10001 -g 10001 -m 0700 /data /secrets
COPY --from=build /out/sigil /usr/local/bin/sigil
USER 10001:10001
WORKDIR /data
# SIGTERM drains; see docs/OPERATIONS.md.
STOPSIGNAL SIGTERM
ENTRYPOINT ["sigil"]
CMD ["--help"]

FROM sigil AS setup
USER root
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssl \
 && rm -rf /var/lib/apt/lists/*
COPY docker/setup.sh /usr/local/bin/setup.sh
ENTRYPOINT ["/bin/sh", "/usr/local/bin/setup.sh"]
CMD []

# Without --target, the executable alone.
FROM sigil
