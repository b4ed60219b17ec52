# The enclave image, the same bytes for everyone:
#
#   docker build -f enclave.Dockerfile --build-arg COMMIT=$(git rev-parse HEAD) --output OUT .
#
# leaves enclave.eif, measurements.json and draft.json in OUT, the same that `openkey-image build`
# makes on Debian 12 with the toolchain that draft.json names. Check out the release's tag first.
#
# The base is fixed by its digest: it decides compilers and linker. The packages added to it are the
# kernel's build tools and musl, whose version does not change within a Debian release.
ARG BASE=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082

FROM ${BASE} AS tools
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        bc bison build-essential ca-certificates curl flex git libelf-dev musl-tools patch perl xz-utils \
    && rm -rf /var/lib/apt/lists/*
# Not root, so that nothing can depend on being root.
RUN useradd --create-home builder && install -d -o builder /cache /out /src
USER builder
ENV OPENKEY_CACHE=/cache CARGO_HOME=/cache/cargo
WORKDIR /src

# Everything from the network: crates by Cargo.lock, the kernel's source by its hash.
FROM tools AS fetch
COPY --chown=builder . .
RUN cargo build --quiet --locked --package openkey-image --target-dir /cache/builder \
    && /cache/builder/debug/openkey-image fetch

FROM fetch AS build
ARG COMMIT
ARG EPOCH=1
RUN --network=none /cache/builder/debug/openkey-image build --offline --out /out --commit "$COMMIT" --epoch "$EPOCH"

FROM scratch
COPY --from=build /out/enclave.eif /out/measurements.json /out/draft.json /
