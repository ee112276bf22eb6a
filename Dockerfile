# PostgreSQL with ctr: the official image, and the extension built for it.
#
#   docker build --tag ctr .                                      --build-arg PG_MAJOR=16 for another version
#   docker run --env POSTGRES_PASSWORD=secret --publish 5432:5432 ctr
#
# Written where no Docker engine was to be had: only the RUN lines were run, in chroots of Debian with the distribution's
# PostgreSQL (test/chroot image). Continuous integration builds the image and tries it.
ARG PG_MAJOR=17
ARG DEBIAN=trixie

FROM postgres:${PG_MAJOR}-${DEBIAN} AS build
WORKDIR /ctr
COPY . .
RUN test/setup demo
RUN make -j"$(nproc)"
RUN make install DESTDIR=/built

FROM postgres:${PG_MAJOR}-${DEBIAN}
RUN apt-get update && apt-get install --no-install-recommends -y libopenblas0 libprotobuf-c1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /built /
