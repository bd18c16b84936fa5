# syntax=docker/dockerfile:1
# The program alone, as a user of its own. See docs/deploy.md.
#
#   docker build -t modelferry .
#   docker run -p 127.0.0.1:8787:8787 -v modelferry:/data modelferry keys create
#   docker run -p 127.0.0.1:8787:8787 -v modelferry:/data modelferry

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin modelferry \
    && cp target/release/modelferry /usr/local/bin/modelferry

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 modelferry \
    && useradd --uid 10001 --gid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin modelferry
COPY --from=build /usr/local/bin/modelferry /usr/local/bin/modelferry
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/modelferry/

USER 10001:10001
ENV MODELFERRY_HOME=/data MODELFERRY_LOG=json RUST_LOG=modelferry=info
VOLUME /data
EXPOSE 8787
STOPSIGNAL SIGTERM
# The shell itself asks: the image holds no program for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8787 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '^ready' <&3"]
ENTRYPOINT ["modelferry"]
CMD ["serve", "--listen", "0.0.0.0:8787"]
