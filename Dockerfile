# AgeStream with its web page, on the CPU:
#     docker build -t agestream .
# or with an NVIDIA GPU for the age and gender network, on a base image with CUDA 13 and cuDNN 9, as
# onnxruntime-gpu 1.31 needs them:
#     docker build -t agestream:gpu --build-arg BASE=nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04 .
# compose.yaml shows how to run it with a camera, a stream and a history.
ARG BASE=debian:trixie-slim
FROM ${BASE}

RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

# The versions are those of the lock. A container has no screen: OpenCV without windows needs neither
# libgl1 nor the libraries under it.
WORKDIR /app
COPY requirements-live.txt requirements-web.txt requirements.lock ./
RUN cat requirements-live.txt requirements-web.txt > /tmp/wanted.txt \
    && sed -i 's/^opencv-python==/opencv-python-headless==/' /tmp/wanted.txt \
    && if [ -n "$CUDA_VERSION" ]; then \
        sed -i 's/^onnxruntime==/onnxruntime-gpu==/' /tmp/wanted.txt; \
    fi \
    && sed -n '/^[a-zA-Z]/s/ *\\$//p' requirements.lock > /tmp/versions.txt \
    && python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        -r /tmp/wanted.txt -c /tmp/versions.txt \
    && rm /tmp/wanted.txt /tmp/versions.txt

COPY stream.py ./
COPY assets/demo.mp4 assets/
COPY trackers trackers
COPY models models
COPY demo demo

# The user may use cameras, and owns the folder for recordings, logs and the history.
RUN /opt/venv/bin/python -m compileall -q stream.py demo models trackers \
    && useradd --system --groups video --home-dir /data agestream \
    && install -d -o agestream -g agestream /data
USER agestream
ENV PATH=/opt/venv/bin:$PATH
VOLUME /data
EXPOSE 8000

# The server answers 503 while no source delivers frames. Under TLS, replace this check.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

# Whoever reaches the port needs a token: give AGESTREAM_TOKEN, or --token-file.
ENTRYPOINT ["python", "stream.py", "--no-display", "--serve", "0.0.0.0:8000"]
