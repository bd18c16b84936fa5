"""S3 servers on loopback that the benches store into."""

import http.server
import os
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

SERVER, VERSION = "s3s-fs", "0.14.1"
KEY, SECRET, BUCKET = "AKBENCH", "bench-secret", "models"
# A longer object is taken for a model: its bytes are not kept.
SMALL = 65536


class Server:
    """What both servers have: a port, the variables that lead to it, an end."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def variables(self):
        endpoint = f"http://127.0.0.1:{self.port}"
        return {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
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
    """s3s-fs over a folder of the disk that the imports use too."""

    def __init__(self, work):
        super().__init__()
        self.root = work / "s3"
        (self.root / BUCKET).mkdir(parents=True)
        home = bench.CACHE / "tools"
        program = home / "bin" / SERVER
        if not program.exists():
            command = ["cargo", "install", "--locked", "--root", home, "--version", VERSION, "--features", "binary", SERVER]
            subprocess.run(command, check=True)
        command = [program, "--host", "127.0.0.1", "--port", str(self.port), "--access-key", KEY, "--secret-key", SECRET, self.root]
        self.process = subprocess.Popen(command, env={**os.environ, "RUST_LOG": "error"}, stdout=subprocess.DEVNULL)
        reached = False
        while not reached:
            if self.process.poll() is not None:
                sys.exit("the S3 server did not start")
            with socket.socket() as probe:
                reached = probe.connect_ex(("127.0.0.1", self.port)) == 0
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def empty(self):
        shutil.rmtree(self.root)
        (self.root / BUCKET).mkdir(parents=True)


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


class Threaded(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


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
        part = re.search("partNumber=([0-9]*)", query)
        if part:
            self.sink.uploads[re.search("uploadId=([^&]*)", query)[1]][int(part[1])] = length
        else:
            self.sink.objects[path] = (length, body)
        self.answer(200, ETag='"1"')

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if "list-type" in query:
            return self.answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
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


KINDS = {"s3s-fs": Files, "sink": Sink}
