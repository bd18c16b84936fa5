"""A receiver of modelferry's webhooks. Verifies each delivery and prints it.

    pip install standardwebhooks
    WEBHOOK_SECRET=$(modelferry webhooks secret) python webhook_receiver.py 9000

A delivery can come more than once: its `webhook-id` is the same then.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

MOST_BYTES = 1024 * 1024
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if length > MOST_BYTES:
            return self.answer(413)
        body = self.rfile.read(length)
        try:
            # Headers are looked up in lower case.
            headers = {name.lower(): value for name, value in self.headers.items()}
            event = webhook.verify(body.decode(), headers)
        except WebhookVerificationError as error:
            print(json.dumps({"refused": str(error)}), flush=True)
            return self.answer(400)
        # Answer first, work later: whoever is slow is told again.
        self.answer(204)
        if headers["webhook-id"] in seen:
            return
        seen.add(headers["webhook-id"])
        print(json.dumps({"id": headers["webhook-id"], **event}), flush=True)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(json.dumps({"listens": server.server_port}), flush=True)
    server.serve_forever()
