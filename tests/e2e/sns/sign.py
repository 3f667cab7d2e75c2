"""A stand-in for SNS that signs as it does, and wrongly in many ways, with keys and certificates made for this run.

Arguments: the topic's ARN and the event to bring. Prints the certificates by path, and the messages, each with whether it is
genuine.
"""

import base64
import datetime
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

TOPIC, EVENT = sys.argv[1:3]
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
HOST = "https://sns.eu-central-1.amazonaws.com"
HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}

KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)
certificates = {}


def certify(path, key, begins=-DAY, ends=DAY):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    signed = built.not_valid_before(NOW + begins).not_valid_after(NOW + ends).sign(KEY, hashes.SHA256())
    certificates[path] = signed.public_bytes(serialization.Encoding.PEM).decode()
    return HOST + path


GOOD = certify("/SimpleNotificationService-good.pem", KEY)
LONG = certify("/SimpleNotificationService-long.pem", KEY, ends=365 * 40 * DAY)
EXPIRED = certify("/SimpleNotificationService-expired.pem", KEY, -2 * DAY, -DAY)
COMING = certify("/SimpleNotificationService-coming.pem", KEY, DAY, 2 * DAY)
WEAK = certify("/SimpleNotificationService-small.pem", SMALL)
CURVE = certify("/SimpleNotificationService-curve.pem", ec.generate_private_key(ec.SECP256R1()))
certificates["/nonsense.pem"] = "hello"


def stamp(seconds):
    return (NOW + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def plain(**changes):
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": EVENT,
        "Timestamp": stamp(-1),
        "SignatureVersion": "1",
        "SigningCertURL": GOOD,
        "UnsubscribeURL": HOST + "/?Action=Unsubscribe",
    }
    return {name: value for name, value in {**message, **changes}.items() if value is not ...}


def confirmation(kind="SubscriptionConfirmation", at=None, **changes):
    at = at or f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f"
    return plain(Type=kind, Token="2336412f", SubscribeURL=at, Message="You have chosen to subscribe", **changes)


def signed(message, key=KEY, version=None):
    notification = message.get("Type") == "Notification"
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if not notification:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    how = HASHES[version or message.get("SignatureVersion", "1")]
    return {**message, "Signature": base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), how)).decode()}


messages = []


def add(name, message, genuine=False):
    messages.append({"name": name, "body": json.dumps(message), "genuine": genuine})


for version in "12":
    own = {"SignatureVersion": version}
    add(f"notification {version}", signed(plain(**own)), True)
    add(f"notification {version} with a subject", signed(plain(Subject="Grüße", **own)), True)
    add(f"subscription {version}", signed(confirmation(**own)), True)
    add(f"end of a subscription {version}", signed(confirmation("UnsubscribeConfirmation", **own)), True)
    other = "2" if version == "1" else "1"
    add(f"{version} by the other hash", {**signed(plain(**own), version=other)})
    add(f"{version} by another key", signed(plain(**own), OTHER))
    add(f"{version} with a subject that was not signed", {**signed(plain(**own)), "Subject": "x"})
    cut = signed(plain(Subject="x", **own))
    add(f"{version} with a subject that was cut", {name: value for name, value in cut.items() if name != "Subject"})
    for name in ("Message", "MessageId", "Timestamp", "TopicArn", "Type", "Signature", "SignatureVersion", "SigningCertURL"):
        whole = signed(plain(**own))
        add(f"{version} without {name}", {other: value for other, value in whole.items() if other != name})
add("a certificate that is valid beyond 2049", signed(plain(SigningCertURL=LONG)), True)
add("almost an hour old", signed(plain(Timestamp=stamp(-3500))), True)
add("a clock ahead", signed(plain(Timestamp=stamp(200))), True)
add("too old", signed(plain(Timestamp=stamp(-3700))))
add("from the future", signed(plain(Timestamp=stamp(400))))
add("of a foreign topic", signed(plain(TopicArn=TOPIC + "-of-others")))
add("of no version", {**signed(plain()), "SignatureVersion": "3"})
others = {"expired": EXPIRED, "to come": COMING, "of a curve": CURVE}
others |= {"none": HOST + "/nonsense.pem", "absent": HOST + "/absent.pem"}
for name, url in others.items():
    add(f"a certificate that is {name}", signed(plain(SigningCertURL=url)))
add("a key that is too small", signed(plain(SigningCertURL=WEAK), SMALL))
path = "/SimpleNotificationService-good.pem"
for url in (
    "http://sns.eu-central-1.amazonaws.com" + path,
    "https://sns.evil.amazonaws.com.attacker.tld" + path,
    "https://attacker.tld" + path,
    "https://sns.eu-central-1.amazonaws.com@attacker.tld" + path,
    "https://attacker.tld@sns.eu-central-1.amazonaws.com" + path,
    "https://sns.eu-central-1.amazonaws.com:8443" + path,
    GOOD + "?x",
    GOOD + "#x",
    GOOD + "x",
    "https://s3.eu-central-1.amazonaws.com" + path,
):
    add(f"signed at {url}", signed(plain(SigningCertURL=url)))
for url in (
    "https://attacker.tld/?Action=ConfirmSubscription",
    f"http://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1",
    f"https://sns.eu-central-1.amazonaws.com/?Action=DeleteTopic&TopicArn={TOPIC}",
    f"https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}-of-others&Token=1",
    f"https://sns.eu-central-1.amazonaws.com@attacker.tld/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1",
):
    add(f"confirmed at {url}", signed(confirmation(at=url)))
add("a subscription to a foreign topic", signed(confirmation(TopicArn=TOPIC + "-of-others")))
turned = signed(confirmation())
add("a subscription turned into a notification", {**turned, "Type": "Notification"})
add("no event", signed(plain(Message="hello")))
add("an event that lies elsewhere", signed(plain(Message=json.dumps({**json.loads(EVENT), "dataref": "s3://bucket/key"}))))
print(json.dumps({"certificates": certificates, "messages": messages}))
