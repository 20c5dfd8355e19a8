"""CloudFront's cookies by parts that nobody here wrote: policies and CloudFront's alphabet are botocore's, signatures are those
of `cryptography`.

    cookies.py sign    makes cookies for `url` until `until`
    cookies.py verify  says until when cookies open `url`, or fails with the reason

Reads the rest as JSON, and writes JSON.
"""

import base64
import binascii
import json
import sys
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, urlsplit

from botocore.signers import CloudFrontSigner
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SHA256 = ec.ECDSA(hashes.SHA256())
# Where a cookie does not name one.
DEFAULT_HASH = ec.ECDSA(hashes.SHA1())


def policy_of(resource, until):
    signer = CloudFrontSigner("", None)
    return signer.build_policy(resource, datetime.fromtimestamp(until, timezone.utc))


def sign(url, until, key_pair_id, private_key):
    key = serialization.load_pem_private_key(private_key.encode(), None)
    signer = CloudFrontSigner(key_pair_id, lambda policy: key.sign(policy, SHA256))
    signed = urlsplit(signer.generate_presigned_url(url, policy=policy_of(url, until)))
    cookies = {f"CloudFront-{name}": value for name, value in parse_qsl(signed.query)}
    return {**cookies, "CloudFront-Hash-Algorithm": "SHA256"}


def decoded(text):
    value = base64.b64decode(text.translate(str.maketrans("-_~", "+=/")), validate=True)
    if CloudFrontSigner("", None)._url_b64encode(value).decode() != text:
        raise ValueError("not in CloudFront's alphabet")
    return value


def verify(url, now, cookies, key_pair_id, public_key):
    if cookies["CloudFront-Key-Pair-Id"] != key_pair_id:
        sys.exit("unknown key")
    algorithm = SHA256 if cookies.get("CloudFront-Hash-Algorithm") == "SHA256" else DEFAULT_HASH
    try:
        policy, signature = (decoded(cookies[f"CloudFront-{name}"]) for name in ("Policy", "Signature"))
        serialization.load_pem_public_key(public_key.encode()).verify(signature, policy, algorithm)
    except (binascii.Error, ValueError) as fault:
        sys.exit(f"unreadable: {fault}")
    except InvalidSignature:
        sys.exit("wrong signature")
    [statement] = json.loads(policy)["Statement"]
    until = statement["Condition"]["DateLessThan"]["AWS:EpochTime"]
    if policy.decode() != policy_of(statement["Resource"], until):
        sys.exit("not as botocore writes it")
    if not fnmatchcase(url, statement["Resource"]):
        sys.exit("another host")
    if now >= until:
        sys.exit("expired")
    return {"until": until}


print(json.dumps({"sign": sign, "verify": verify}[sys.argv[1]](**json.load(sys.stdin))))
