"""A processor without Rust: takes webhooks, checks their signatures, and prints labels and verdicts, each event once.

    WEBHOOK_SECRET=whsec_... python3 processor.py 9000

with that secret in the file of `crosslens up --webhooks FILE --allow-target 127.0.0.1:9000`. What an event holds is in
docs/events, how it is signed at https://www.standardwebhooks.com.
"""

import base64, hashlib, hmac, json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
seen = set()  # a real one keeps this beside what it does, so that a restart does nothing twice


def genuine(headers, body):
    name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    wanted = base64.b64encode(hmac.digest(KEY, f"{name}.{sent}.".encode() + body, hashlib.sha256)).decode()
    given = [one.removeprefix("v1,") for one in headers.get("webhook-signature", "").split()]
    return sent.isdigit() and abs(time.time() - int(sent)) < 300 and any(hmac.compare_digest(wanted, one) for one in given)


class Processor(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        good = genuine(self.headers, body)
        if good and self.headers["webhook-id"] not in seen:
            event = json.loads(body)
            data = event["data"]
            words = [label["description"] for label in data.get("labels", [])] or [data.get("verdict", data.get("detail", ""))]
            print(event["type"], event["subject"], ", ".join(words), flush=True)
            seen.add(event["id"])
        self.send_response(204 if good else 401)
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Processor)
print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
