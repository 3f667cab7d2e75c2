"""Signs ID tokens as Google does, and wrongly in many ways, with keys made for this run.

Prints the public keys and, for each token, what PyJWT says about it under the same rules: a second opinion by a program that
shares no code with the one that is tested.
"""

import base64
import hashlib
import hmac
import json
import sys
import time

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE, ACCOUNT = sys.argv[1:3]
ISSUERS = ["https://accounts.google.com", "accounts.google.com"]
NOW = int(time.time())
MINUTE, HOUR = 60, 3600

KEYS = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("one", "two", "foreign")}
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)
CURVE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEYS["one"].public_key()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value):
    return b64(json.dumps(value).encode())


def jwk(key, kid):
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}


def claims(**changes):
    good = {
        "iss": ISSUERS[0],
        "aud": AUDIENCE,
        "azp": "113774264463038321964",
        "sub": "113774264463038321964",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": NOW - 10,
        "exp": NOW + HOUR,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def raw(header, payload, sign):
    message = f"{header}.{payload}"
    return f"{message}.{b64(sign(message.encode()))}"


def rs256(key):
    return lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def pss(message):
    return KEYS["one"].sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def hs256(secret):
    return lambda message: hmac.new(secret, message, hashlib.sha256).digest()


def signed(key=KEYS["one"], header=None, **changes):
    """RS256 by hand, so that nothing that is wrong with a token is put right by a library."""
    head = {"alg": "RS256", "kid": "one", "typ": "JWT", **(header or {})}
    return raw(part({name: value for name, value in head.items() if value is not ...}), part(claims(**changes)), rs256(key))


def flipped(token, place, bit=1):
    parts = token.split(".")
    data = bytearray(base64.urlsafe_b64decode(parts[place] + "=="))
    data[len(data) // 2] ^= bit
    parts[place] = b64(bytes(data))
    return ".".join(parts)


def by_pyjwt(**changes):
    return jwt.encode(claims(**changes), KEYS["one"], algorithm="RS256", headers={"kid": "one"})


def batch():
    good = by_pyjwt()
    head, payload, signature = good.split(".")
    pem = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = PUBLIC.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = PUBLIC.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    modulus = PUBLIC.public_numbers().n.to_bytes(256, "big")
    stolen = part({"alg": "HS256", "kid": "one", "typ": "JWT"})
    own = jwk(KEYS["foreign"], "foreign")

    yield "valid", good
    yield "valid, by hand", signed()
    yield "valid, short issuer", signed(iss=ISSUERS[1])
    yield "valid, second key", signed(KEYS["two"], {"kid": "two"})
    yield "valid, no typ", signed(header={"typ": ...})
    yield "valid, nbf in the past", signed(nbf=NOW - MINUTE)
    yield "valid, expired within the skew", signed(exp=NOW - 30, iat=NOW - HOUR)
    yield "valid, issued within the skew", signed(iat=NOW + 30, nbf=NOW + 30)

    yield "expired", signed(exp=NOW - 5 * MINUTE, iat=NOW - HOUR)
    yield "expired long ago", signed(exp=0, iat=0)
    yield "no exp", signed(exp=...)
    yield "exp null", signed(exp=None)
    yield "exp negative", signed(exp=-1)
    yield "exp as text", signed(exp=str(NOW + HOUR))
    yield "exp as list", signed(exp=[NOW + HOUR])
    yield "issued in the future", signed(iat=NOW + 5 * MINUTE)
    yield "no iat", signed(iat=...)
    yield "iat as text", signed(iat="now")
    yield "not yet valid", signed(nbf=NOW + 5 * MINUTE)
    yield "nbf as text", signed(nbf="now")

    yield "other audience", signed(aud="https://other.example")
    yield "audience with a slash more", signed(aud=AUDIENCE + "/")
    yield "audience in capitals", signed(aud=AUDIENCE.upper())
    yield "audience as list with ours", signed(aud=[AUDIENCE, "https://other.example"])
    yield "audience as list of ours", signed(aud=[AUDIENCE])
    yield "audience as empty list", signed(aud=[])
    yield "audience empty", signed(aud="")
    yield "audience null", signed(aud=None)
    yield "no audience", signed(aud=...)
    yield "azp instead of audience", signed(aud=..., azp=AUDIENCE)

    yield "other issuer", signed(iss="https://accounts.example")
    yield "issuer http", signed(iss="http://accounts.google.com")
    yield "issuer with a slash more", signed(iss=ISSUERS[0] + "/")
    yield "issuer longer", signed(iss="accounts.google.com.example")
    yield "issuer as list", signed(iss=ISSUERS)
    yield "no issuer", signed(iss=...)

    yield "alg none", f"{part({'alg': 'none', 'kid': 'one'})}.{payload}."
    yield "alg None", f"{part({'alg': 'None', 'kid': 'one'})}.{payload}."
    yield "alg none with the signature", f"{part({'alg': 'none', 'kid': 'one'})}.{payload}.{signature}"
    yield "no alg", f"{part({'kid': 'one'})}.{payload}.{signature}"
    yield "alg null", f"{part({'alg': None, 'kid': 'one'})}.{payload}.{signature}"
    yield "alg in small letters", signed(header={"alg": "rs256"})
    yield "alg as list", signed(header={"alg": ["RS256"]})
    yield "HS256 with the public PEM", raw(stolen, payload, hs256(pem))
    yield "HS256 with the public PEM, trimmed", raw(stolen, payload, hs256(pem.strip()))
    yield "HS256 with the public DER", raw(stolen, payload, hs256(der))
    yield "HS256 with the public PKCS1", raw(stolen, payload, hs256(pkcs1))
    yield "HS256 with the modulus", raw(stolen, payload, hs256(modulus))
    yield "HS256 with the encoded modulus", raw(stolen, payload, hs256(b64(modulus).encode()))
    yield "HS256 with nothing", raw(stolen, payload, hs256(b""))
    yield "HMAC called RS256", raw(head, payload, hs256(pem))
    yield "PS256", raw(part({"alg": "PS256", "kid": "one"}), payload, pss)
    yield "PSS called RS256", raw(head, payload, pss)
    yield "RS512", jwt.encode(claims(), KEYS["one"], algorithm="RS512", headers={"kid": "one"})
    yield "ES256", jwt.encode(claims(), CURVE, algorithm="ES256", headers={"kid": "one"})
    yield "ES256 with a listed curve", jwt.encode(claims(), CURVE, algorithm="ES256", headers={"kid": "curve"})

    yield "unknown kid", signed(header={"kid": "three"})
    yield "no kid", signed(header={"kid": ...})
    yield "kid null", signed(header={"kid": None})
    yield "kid empty", signed(header={"kid": ""})
    yield "kid a number", signed(header={"kid": 1})
    yield "kid a path", signed(header={"kid": "../../../dev/null"})
    yield "the other known kid", signed(header={"kid": "two"})
    yield "foreign key under a known kid", signed(KEYS["foreign"])
    yield "foreign key in the header", signed(KEYS["foreign"], {"jwk": own})
    yield "foreign key and its kid in the header", signed(KEYS["foreign"], {"kid": "foreign", "jwk": own})
    yield "foreign key by address", signed(KEYS["foreign"], {"jku": "http://127.0.0.1:9/certs"})
    yield "listed key too small", signed(SMALL, {"kid": "small"})
    yield "listed key for encryption", signed(KEYS["foreign"], {"kid": "encryption"})
    yield "critical extension", signed(header={"crit": ["exp"], "exp": NOW + HOUR})

    yield "signature flipped", flipped(good, 2)
    yield "payload flipped", flipped(good, 1)
    yield "payload of another", f"{head}.{part(claims(email='other@p.iam.gserviceaccount.com'))}.{signature}"
    yield "signature empty", f"{head}.{payload}."
    yield "signature short", f"{head}.{payload}.{signature[:-8]}"
    yield "signature long", f"{good}AAAA"
    yield "signature zero", f"{head}.{payload}.{b64(bytes(256))}"
    yield "signature padded", f"{good}=="
    yield "truncated", good[: len(good) // 2]
    yield "two parts", f"{head}.{payload}"
    yield "four parts", f"{good}.{signature}"
    yield "dots", "..."
    yield "two dots", ".."
    yield "empty parts", f"{head}..{signature}"
    yield "no token", "token"
    yield "header no JSON", f"{b64(b'RS256')}.{payload}.{signature}"
    yield "header a list", f"{part(['RS256'])}.{payload}.{signature}"
    yield "payload no JSON", raw(head, b64(b"claims"), rs256(KEYS["one"]))
    yield "payload a list", raw(head, part([]), rs256(KEYS["one"]))
    yield "payload deep", raw(head, b64(b"[" * 3000), rs256(KEYS["one"]))
    yield "header deep", f"{b64(b'[' * 3000)}.{payload}.{signature}"
    yield "long header", signed(header={"x": "A" * 12 * 1024})
    yield "long payload", signed(x="A" * 12 * 1024)

    yield "account: no email", signed(email=...)
    yield "account: email null", signed(email=None)
    yield "account: email a list", signed(email=[ACCOUNT])
    yield "account: email in capitals", signed(email=ACCOUNT.upper())
    yield "account: email with a space", signed(email=ACCOUNT + " ")
    yield "account: other", signed(email="other@p.iam.gserviceaccount.com")
    yield "account: no email_verified", signed(email_verified=...)
    yield "account: email_verified false", signed(email_verified=False)
    yield "account: email_verified as text", signed(email_verified="true")
    yield "account: email_verified 1", signed(email_verified=1)


def verdict(token, keys):
    """The status that PyJWT's answer comes to, under the rules of `IdTokens`."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != "RS256" or not (key := keys.get(header.get("kid"))):
            return 401
        found = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=ISSUERS,
            leeway=MINUTE,
            options={"require": ["exp", "iat", "iss", "aud"], "strict_aud": True, "enforce_minimum_key_length": True},
        )
    except Exception:  # Whatever it trips over, it does not accept the token.
        return 401
    return 200 if found.get("email") == ACCOUNT and found.get("email_verified") is True else 403


one, two = jwk(KEYS["one"], "one"), jwk(KEYS["two"], "two")
others = [
    {**ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True), "kid": "curve", "use": "sig", "alg": "ES256"},
    {**jwk(KEYS["foreign"], "encryption"), "use": "enc"},
    jwk(SMALL, "small"),
    {"kty": "oct", "kid": "secret", "use": "sig", "alg": "HS256", "k": b64(b"secret" * 8)},
]
trusted = {"one": PUBLIC, "two": KEYS["two"].public_key(), "small": SMALL.public_key()}
tokens = [{"name": name, "token": token, "verdict": verdict(token, trusted)} for name, token in batch()]
strangers = [signed(header={"kid": f"stranger {number}"}) for number in range(50)]
print(json.dumps({"one": one, "two": two, "others": others, "tokens": tokens, "strangers": strangers}))
