"""What the vectors have in common: their keys, and what stands in for chance."""

import hashlib

from sealing import Deployment, Refused, from_base64url

DEPLOYMENT = bytes(range(0x90, 0xA0))
OTHER_DEPLOYMENT = bytes(range(0x80, 0x90))

ROOT_KEYS = [
    {"kid": "01020304", "state": "primary", "secret": bytes(range(0x00, 0x20)).hex()},
    {"kid": "11121314", "state": "accept-only", "secret": bytes(range(0x20, 0x40)).hex()},
    {"kid": "21222324", "state": "staged", "secret": bytes(range(0x40, 0x60)).hex()},
    {"kid": "31323334", "state": "retired", "secret": bytes(range(0x60, 0x80)).hex()},
]


def described(description):
    """How each file begins."""
    return {"description": description, "deployment": DEPLOYMENT.hex(), "root_keys": ROOT_KEYS}


def document(name, description, positives, negatives, **more):
    return name, described(description) | more | {"positives": positives, "negatives": negatives}


RING = Deployment(described(""))


def kid_in(state):
    return next(bytes.fromhex(key["kid"]) for key in ROOT_KEYS if key["state"] == state)


def drawn(label, length):
    """In the place of random bytes: as different as they are, and the same each time."""
    return hashlib.sha256(label.encode()).digest()[:length]


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def negative(name, refused_by, **inputs):
    return {"name": name, "refused_by": refused_by, **inputs}


PRIMARY, OTHER, RETIRED = (kid_in(state) for state in ("primary", "accept-only", "retired"))
SALT, IV = drawn("salt", 32), drawn("iv", 12)
TENANT = drawn("tenant", 16)
TENANT_ID = f"ten_{TENANT.hex()}"


def opening_all(deployment=DEPLOYMENT):
    """The same keys, none of which is retired."""
    keys = [key | {"state": "accept-only"} for key in ROOT_KEYS]
    return Deployment({"deployment": deployment.hex(), "root_keys": keys})


def spellings(text):
    """Other texts for the same bytes."""
    yield "padding_added", text + "=" * (-len(text) % 4 or 1)
    yield "space_before", " " + text
    yield "space_after", text + " "
    yield "line_feed_after", text + "\n"
    yield "character_added", text + "A"
    yield "character_taken_away", text[:-1]
    if set("-_") & set(text):
        yield "other_alphabet", text.replace("-", "+").replace("_", "/")
    if spare := {2: 16, 3: 4}.get(len(text) % 4):
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(text[-1])
        assert last % spare == 0
        yield "spare_bits_set", text[:-1] + alphabet[last + 1]


def is_one_spelling(text):
    try:
        from_base64url(text)
        return True
    except Refused:
        return False
