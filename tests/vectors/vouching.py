"""What Cloakroom vouches for, verified as its description says: hashes, keyed hashes and signatures.

What docs/formats.md, docs/ledger.md, docs/receipts.md, docs/webhooks.md and SECURITY.md say.
Never here: anything that was taken over from the program in Rust.
"""

import base64
import hashlib
import hmac
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from sealing import Refused, base64url, expand, extract, frame, from_base64, from_base64url, require


def labelled(label, *fields):
    return hashlib.sha256(frame(label.encode(), *fields)).digest()


# Rows.


def row_mac(deployment, kid, partition, sort, body):
    key = expand(extract(b"", deployment.secret(kid)), "cloakroom/row/v1|mac")
    return hmac.digest(key, frame(deployment.id, partition.encode(), sort.encode(), body), "sha256")


def authenticate_row(deployment, kid, partition, sort, body):
    return kid + row_mac(deployment, kid, partition, sort, body) + body


def authentic_row(deployment, partition, sort, row):
    require(len(row) >= 36, "form")
    kid, mac, body = row[:4], row[4:36], row[36:]
    require(hmac.compare_digest(row_mac(deployment, kid, partition, sort, body), mac), "mac")
    return body


# Segments of ledgers: rows whose first line binds the rest.


def segment_mac(deployment, kid, partition, sort, body):
    key = expand(extract(b"", deployment.secret(kid)), "cloakroom/row/v1|mac")
    line = body[: body.find(b"\n") + 1]
    message = frame(deployment.id, partition.encode(), sort.encode(), b"first line", line)
    return hmac.digest(key, message, "sha256")


def authenticate_segment(deployment, kid, partition, sort, body):
    return kid + segment_mac(deployment, kid, partition, sort, body) + body


def segment_records(deployment, partition, sort, row):
    """The records of a segment, each bound by the one after it, and the last by the first line."""
    require(len(row) >= 36, "form")
    kid, mac, body = row[:4], row[4:36], row[36:]
    require(hmac.compare_digest(segment_mac(deployment, kid, partition, sort, body), mac), "mac")
    line = re.match(rb"([0-9]+) ([0-9a-f]{64})\n", body)
    require(line and body.endswith(b"\n"), "form")
    first, known = int(line[1]), line[2].decode()
    try:
        records = body[line.end() : -1].decode().split("\n")
    except UnicodeDecodeError:
        raise Refused("form") from None
    require(body[line.end() :], "records")
    for seq, text in reversed(list(enumerate(records, start=first))):
        require(record_hash(text) == known, "records")
        record = json.loads(text)
        require(record["seq"] == seq, "records")
        known = record["prev_hash"]
    return first, records


# Tokens of which the hash alone is kept.

OPAQUE = {
    "link": "crl_",
    "file_request": "crf_",
    "console_session": "crc_",
    "live_api_key": "crk_live_",
    "test_api_key": "crk_test_",
}


def stored_hash(kind, text):
    require(text.startswith(OPAQUE[kind]), "form")
    require(len(from_base64url(text[len(OPAQUE[kind]) :])) == 32, "form")
    return hashlib.sha256(text.encode()).hexdigest()


def csrf_token(secret):
    return base64url(hmac.digest(secret.encode(), frame(b"cloakroom/console/v1|csrf"), "sha256"))


def claim_key(text):
    key = from_base64url(text)
    require(len(key) == 32, "form")
    return key


def claim_hash(key, claimed):
    return labelled("cloakroom/claim/v1", claimed, key)


def session_id(key, claimed):
    return labelled("cloakroom/session-id/v1", claimed, key)[:16]


# What is found or compared without being stored.

RECIPIENT = "cloakroom/recipient/v1"


class RecipientKey:
    """Marks what belongs to one share or link of a tenant."""

    def __init__(self, deployment, kid, tenant, thing):
        self.kid, self.tenant, self.thing = kid, tenant, thing
        self.key = expand(extract(b"", deployment.secret(kid)), RECIPIENT)

    def mark(self, kind, *fields):
        data = frame(RECIPIENT.encode(), kind.encode(), self.tenant, self.thing) + frame(*fields)
        return base64url(hmac.digest(self.key, data, "sha256"))

    def list(self, addresses):
        in_order = sorted(address.lower().encode() for address in addresses)
        return f"{self.kid.hex()}.{self.mark('list', *in_order)}"

    def recipient(self, address):
        return self.mark("address", address.lower().encode())

    def code(self, recipient, code):
        return self.mark("code", recipient.encode(), code.encode())


def lookup_hash(data_key, kind, *parts):
    key = expand(extract(b"", data_key.secret), "cloakroom/lookup/v1|key")
    label = f"cloakroom/lookup/v1|{kind}".encode()
    data = frame(label, data_key.deployment, data_key.tenant) + frame(*(part.encode() for part in parts))
    return hmac.digest(key, data, "sha256")


def grant_hash(grant):
    def number(name, length):
        return grant[name].to_bytes(length, "big")

    def texts(name):
        return frame(*(text.encode() for text in grant[name]))

    not_before = grant["not_before_ms"]
    return labelled(
        "cloakroom/share-grant/v1",
        bytes.fromhex(grant["share"]),
        bytes.fromhex(grant["tenant"]),
        bytes([{"live": 1, "test": 2}[grant["mode"]]]),
        grant["minter"].encode(),
        number("tenant_generation", 8),
        number("minter_generation", 8),
        bytes([{"read": 1, "write": 2}[grant["permission"]]]),
        texts("paths"),
        number("issued_at_ms", 8),
        b"" if not_before is None else frame(not_before.to_bytes(8, "big")),
        number("expires_at_ms", 8),
        number("access_seconds", 8),
        number("redemptions", 4),
        texts("networks"),
        b"" if grant["recipients"] is None else frame(grant["recipients"].encode()),
    )


# The ledger.


def ledger_beginning(deployment, tenant, mode):
    return labelled("cloakroom/ledger/v1|beginning", deployment, tenant.encode(), mode.encode()).hex()


def record_hash(text):
    return labelled("cloakroom/ledger/v1|record", text.encode()).hex()


def canonical(value):
    """RFC 8785 of what Cloakroom writes: texts, whole numbers, lists and objects with names in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def is_plain(value):
    """Whether there is nothing in it but texts, whole numbers up to 2^53 - 1, lists and objects."""
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(name.isascii() and is_plain(item) for name, item in value.items())
    return isinstance(value, str) or type(value) is int and 0 <= value < 2**53


def parse_canonical(text):
    try:
        value = json.loads(text)
    except ValueError:
        raise Refused("form") from None
    require(isinstance(value, dict) and is_plain(value) and canonical(value) == text, "form")
    return value


def follow_ledger(deployment, tenant, mode, records, head):
    """Follows a ledger from its beginning; the place of a record that is not as it must be is in the refusal."""
    previous = ledger_beginning(deployment, tenant, mode)
    for seq, text in enumerate(records, start=1):
        try:
            record = parse_canonical(text)
            require(record.get("seq") == seq, "number")
            require(record.get("namespace") == {"mode": mode, "tenant": tenant}, "ledger")
            require(record.get("prev_hash") == previous, "previous")
        except Refused as refused:
            refused.seq = seq
            raise
        previous = record_hash(text)
    if previous != head:
        refused = Refused("head")
        refused.seq = len(records)
        raise refused


def client_commitment(salt, client):
    return labelled("cloakroom/ledger/v1|client", salt, canonical(client).encode()).hex()


# Signatures with Ed25519.


def verify_ed25519(key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        raise Refused("signature") from None


def public_half(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign_ed25519(seed, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def pem(key):
    public = Ed25519PublicKey.from_public_bytes(key)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signing_key_id(key):
    return "lgk_" + hashlib.sha256(key).hexdigest()[:32]


def note_key_hash(name, key):
    return hashlib.sha256(name.encode() + b"\n\x01" + key).digest()[:4]


def open_note(note, name, key):
    """The text of a signed note, if this key has signed it under this name."""
    text, found, signatures = note.rpartition("\n\n")
    require(found and signatures.endswith("\n"), "form")
    text += "\n"
    start = f"— {name} "
    for line in signatures[:-1].split("\n"):
        if not line.startswith(start):
            continue
        try:
            signature = from_base64(line[len(start) :])
            require(signature[:4] == note_key_hash(name, key), "key")
            verify_ed25519(key, signature[4:], text.encode())
        except Refused:
            continue
        return text
    raise Refused("signature")


def ledger_origin(deployment, tenant, mode):
    return f"cloakroom/{deployment.hex()}/{tenant}/{mode}"


def open_checkpoint(note, origin, key):
    """How long the ledger was, the hash of its last record, and when that was said."""
    text = open_note(note, origin, key)
    line = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]*)\n([^\n]+)\nat (0|[1-9][0-9]*)\n", text, re.ASCII)
    require(line, "form")
    require(line[1] == origin, "ledger")
    head = from_base64(line[3])
    require(len(head) == 32, "form")
    return {"size": int(line[2]), "head": head.hex(), "at_seconds": int(line[4])}


def receipt_seed(deployment, kid, tenant):
    info = f"cloakroom/receipt/v1|{deployment.id.hex()}|{tenant}"
    return expand(extract(b"", deployment.secret(kid)), info)


def open_receipt(receipt, key):
    """What a receipt says: its text, if this key has signed it and it is one."""
    try:
        document = json.loads(receipt)
    except ValueError:
        raise Refused("form") from None
    require(document.get("algorithm") == "Ed25519", "algorithm")
    payload = from_base64(document["payload"])
    verify_ed25519(key, from_base64(document["signature"]), payload)
    value = parse_canonical(payload.decode())
    require(value.get("type") == "cloakroom.upload-receipt.v1", "contents")
    return value


# The edge, and webhooks.


def cloudfront_base64(text):
    require(not re.search(r"[+=/]", text), "form")
    return from_base64(text.translate(str.maketrans("-_~", "+=/")))


def admitted_until(cookies, key_pair_id, key, origin, now):
    """Until when these four cookies open this origin."""
    policy, signature, named, algorithm = cookies
    require(named == key_pair_id, "key")
    require(algorithm == "SHA256", "algorithm")
    policy, signature = cloudfront_base64(policy), cloudfront_base64(signature)
    try:
        load_pem_public_key(key.encode()).verify(signature, policy, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused("signature") from None
    try:
        (statement,) = json.loads(policy)["Statement"]
        until = statement["Condition"]["DateLessThan"]["AWS:EpochTime"]
        resource = statement["Resource"]
    except (ValueError, KeyError, TypeError):
        raise Refused("contents") from None
    exact = {"Statement": [{"Resource": resource, "Condition": {"DateLessThan": {"AWS:EpochTime": until}}}]}
    require(json.loads(policy) == exact, "contents")
    require(resource == f"{origin}/*", "origin")
    require(now < until, "time")
    return until


def webhook_secret(text):
    require(text.startswith("whsec_"), "form")
    secret = from_base64(text[len("whsec_") :])
    require(24 <= len(secret) <= 64, "form")
    return secret


def webhook_signature(secret, message_id, timestamp, body):
    data = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(webhook_secret(secret), data, "sha256")).decode()


def verify_webhook(secret, message_id, timestamp, body, signatures, now):
    expected = webhook_signature(secret, message_id, timestamp, body).encode()
    found = [hmac.compare_digest(signature.encode(), expected) for signature in signatures.split(" ")]
    require(any(found), "signature")
    require(abs(now - timestamp) <= 300, "time")
