"""One signed request to a function URL: what it says on stdin, as JSON, is sent; what comes back is JSON on stdout.

In: {"url", "method", "headers", "body": BASE64, "region", "key", "secret"}. Out: {"status", "headers", "body": BASE64}.
"""

import base64
import json
import sys
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

asked = json.load(sys.stdin)
body = base64.b64decode(asked["body"])
request = AWSRequest(method=asked["method"], url=asked["url"], data=body, headers=asked["headers"])
SigV4Auth(Credentials(asked["key"], asked["secret"]), "lambda", asked["region"]).add_auth(request)
headers = dict(request.headers)
# urllib would say that a body is a form, and sign nothing of it.
if not any(name.lower() == "content-type" for name in headers):
    headers["Content-Type"] = "application/octet-stream"
sent = urllib.request.Request(asked["url"], data=body or None, method=asked["method"], headers=headers)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = opener.open(sent, timeout=120)
except urllib.error.HTTPError as error:
    answer = error
with answer:
    told = {name.lower(): value for name, value in answer.headers.items()}
    json.dump({"status": answer.status, "headers": told, "body": base64.b64encode(answer.read()).decode()}, sys.stdout)
