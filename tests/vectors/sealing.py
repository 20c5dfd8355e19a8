"""What Cloakroom seals, opened as its description says: sealed tokens, fields, files and kept replies.

For `test_vectors.py`, and for whoever writes a reader in another language: what SECURITY.md and docs/formats.md say.
Never here: anything that was taken over from the program in Rust.
"""

import base64
import binascii
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
SUITE = b"\x01"
LONGEST_TEXT = 16 * 1024

# How long the parts of a sealed token before its ciphertext are.
PARTS = {"version": 1, "suite": 1, "kid": 4, "salt": 32, "commitment": 32, "iv": 12}
HEADER = sum(PARTS.values())
TAG = 16

PERMISSIONS = {"read": 1, "write": 2}


class Refused(Exception):
    """What did not open, and the check that it failed."""

    def __init__(self, check):
        super().__init__(check)
        self.check = check


def require(condition, check):
    if not condition:
        raise Refused(check)


def frame(*fields):
    """Each field after its length in 4 bytes, big-endian."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def extract(salt, secret):
    """HKDF-Extract with SHA-256 (RFC 5869 section 2.2). No salt is 32 zeros."""
    return hmac.digest(salt or bytes(32), secret, "sha256")


def expand(extracted, info):
    """HKDF-Expand to 32 bytes (RFC 5869 section 2.3), for which one block is enough."""
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
    """Bytes in their one spelling: no padding, no white space, and no bits that are left over."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refused("form") from None
    require(base64url(data) == text, "form")
    return data


def from_base64(text):
    """Bytes in standard base64, in their one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("form") from None
    require(base64.b64encode(data).decode() == text, "form")
    return data


def decrypt(key, iv, ciphertext, aad):
    try:
        return AESGCM(key).decrypt(iv, ciphertext, aad)
    except (InvalidTag, ValueError):
        raise Refused("tag") from None


class Deployment:
    """A deployment with its root keys: kid to state and secret."""

    def __init__(self, described):
        self.id = bytes.fromhex(described["deployment"])
        self.keys = {
            bytes.fromhex(key["kid"]): (key["state"], bytes.fromhex(key["secret"])) for key in described["root_keys"]
        }

    def secret(self, kid):
        """The key with exactly this kid, unless it is retired."""
        require(kid in self.keys and self.keys[kid][0] != "retired", "key")
        return self.keys[kid][1]


def seal(deployment, purpose, kid, salt, iv, plaintext):
    """A sealed token, as bytes."""
    extracted = extract(salt, deployment.secret(kid))
    header = VERSION + SUITE + kid + salt + expand(extracted, purpose + "|commit") + iv
    aad = frame(purpose.encode(), header, deployment.id)
    return header + AESGCM(expand(extracted, purpose + "|key")).encrypt(iv, plaintext, aad)


def open_sealed(deployment, purpose, text):
    """The plaintext of a sealed token of this purpose."""
    require(len(text) <= LONGEST_TEXT, "form")
    token = from_base64url(text)
    require(len(token) >= HEADER, "form")
    part, at = {}, 0
    for name, length in PARTS.items():
        part[name] = token[at : at + length]
        at += length
    require(part["version"] == VERSION, "version")
    require(part["suite"] == SUITE, "suite")
    extracted = extract(part["salt"], deployment.secret(part["kid"]))
    commitment = expand(extracted, purpose + "|commit")
    require(hmac.compare_digest(commitment, part["commitment"]), "commitment")
    aad = frame(purpose.encode(), token[:HEADER], deployment.id)
    return decrypt(expand(extracted, purpose + "|key"), part["iv"], token[HEADER:], aad)


def prefixed(text, prefix):
    require(text.startswith(prefix), "form")
    return text[len(prefix) :]


def fixed(plaintext, *fields):
    """The fields of a plaintext of fixed width: name and length each. Numbers are those with a length of 8 or 4."""
    require(len(plaintext) == sum(length for _, length in fields), "contents")
    found, at = {}, 0
    for name, length in fields:
        field = plaintext[at : at + length]
        found[name] = int.from_bytes(field, "big") if length in (4, 8) else field.hex()
        at += length
    return found


IDS = (("tenant", 16), ("share", 16))
TIMES = (("issued_at_ms", 8), ("expires_at_ms", 8))
HASHES = (("claim_hash", 32), ("grant_hash", 32))


def open_share_token(deployment, text):
    require(len(text) == 252, "form")
    plaintext = open_sealed(deployment, "cloakroom/share/v1", prefixed(text, "crs_"))
    found = fixed(plaintext, *IDS, *TIMES, ("permission", 4), ("zero", 4), ("grant_hash", 32))
    names = {number: name for name, number in PERMISSIONS.items()}
    require(found["permission"] in names and found.pop("zero") == 0, "contents")
    return found | {"permission": names[found["permission"]]}


def open_session_token(deployment, text):
    plaintext = open_sealed(deployment, "cloakroom/session/v1", prefixed(text, "cst_"))
    return fixed(plaintext, *IDS, ("session", 16), *TIMES, *HASHES)


def open_move_token(deployment, text):
    plaintext = open_sealed(deployment, "cloakroom/move/v1", prefixed(text, "crm_"))
    return fixed(plaintext, *IDS, *TIMES, *HASHES)


def open_submission_token(deployment, text):
    plaintext = open_sealed(deployment, "cloakroom/submission/v1", prefixed(text, "csb_"))
    return fixed(plaintext, ("request", 16), ("expires_at_ms", 8), ("claim_hash", 32))


def open_signing_in(deployment, text):
    plaintext = open_sealed(deployment, "cloakroom/signing-in/v1", text)
    length = 32 + 32 + 32 + 8
    require(len(plaintext) >= length, "contents")
    found = fixed(plaintext[:length], ("state", 32), ("nonce", 32), ("verifier", 32), ("expires_at_ms", 8))
    try:
        return found | {"provider": plaintext[length:].decode()}
    except UnicodeDecodeError:
        raise Refused("contents") from None


def open_wrapped_key(deployment, purpose, text, tenant):
    """The key id and what was wrapped for this tenant."""
    plaintext = open_sealed(deployment, purpose, text)
    require(len(plaintext) >= 20 and plaintext[:16] == tenant, "contents")
    return plaintext[16:20], plaintext[20:]


def open_data_key(deployment, text, tenant):
    key_id, secret = open_wrapped_key(deployment, "cloakroom/data-key/v1", text, tenant)
    require(len(secret) == 32, "contents")
    return {"key_id": key_id.hex(), "wrapped": secret.hex()}


def open_encrypted_data_key(deployment, text, tenant):
    key_id, ciphertext = open_wrapped_key(deployment, "cloakroom/encrypted-data-key/v1", text, tenant)
    return {"key_id": key_id.hex(), "wrapped": ciphertext.hex()}


FIELD = "cloakroom/field/v1"
FIELD_HEADER = 1 + 16 + 4 + 32 + 12


class DataKey:
    """The data key of one tenant of one deployment."""

    def __init__(self, deployment, tenant, key_id, secret):
        self.deployment, self.tenant, self.id, self.secret = deployment, tenant, key_id, secret

    def seal(self, place, salt, iv, value):
        header = VERSION + self.tenant + self.id + salt + iv
        plaintext = len(value).to_bytes(4, "big") + value
        plaintext += bytes(-len(plaintext) % 32)
        key = expand(extract(salt, self.secret), FIELD + "|key")
        return header + AESGCM(key).encrypt(iv, plaintext, self.aad(header, place))

    def open(self, place, text):
        sealed = from_base64url(text)
        require(len(sealed) >= FIELD_HEADER, "form")
        header = sealed[:FIELD_HEADER]
        require(header[:1] == VERSION, "version")
        require(header[1:21] == self.tenant + self.id, "key")
        salt, iv = header[21:53], header[53:]
        key = expand(extract(salt, self.secret), FIELD + "|key")
        plaintext = decrypt(key, iv, sealed[FIELD_HEADER:], self.aad(header, place))
        length = int.from_bytes(plaintext[:4], "big")
        require(len(plaintext) >= 4 and length <= len(plaintext) - 4, "contents")
        return plaintext[4 : 4 + length]

    def aad(self, header, place):
        return frame(FIELD.encode(), header, self.deployment, *(part.encode() for part in place))


FILE = "cloakroom/file/v1"
OBJECT, UPLOAD = b"CLKROBJ\x02", b"CLKRPRT\x02"
FILE_HEAD, FILE_SAYS, SLOT = 512, 424, 80
CHUNK = 65_536
SEALED_CHUNK = 12 + CHUNK + TAG


class SealedFile:
    """A file under the key that comes of this data key and salt. What lies in it: heads, chunks and notes."""

    def __init__(self, data_key, salt):
        self.begins = data_key.tenant + data_key.id + salt
        self.key = expand(extract(salt, data_key.secret), FILE + "|key")
        self.bound_to = (FILE.encode(), data_key.deployment, data_key.tenant, data_key.id)

    def aad(self, what, number):
        return frame(*self.bound_to, what, number.to_bytes(8, "big"))

    def seal(self, what, number, iv, plaintext):
        return iv + AESGCM(self.key).encrypt(iv, plaintext, self.aad(what, number))

    def open(self, what, number, sealed):
        require(len(sealed) >= 12, "form")
        return decrypt(self.key, sealed[:12], sealed[12:], self.aad(what, number))

    def seal_head(self, magic, iv, says):
        return magic + self.begins + self.seal(b"head" + magic, 0, iv, says.ljust(FILE_SAYS, b"\0"))

    def seal_object(self, iv, chunk_ivs, content, content_type):
        says = len(content).to_bytes(8, "big") + hashlib.sha256(content).digest() + typed(content_type)
        chunks = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
        sealed = [
            self.seal(b"chunk", number, chunk_iv, chunk)
            for number, (chunk_iv, chunk) in enumerate(zip(chunk_ivs, chunks, strict=True))
        ]
        return self.seal_head(OBJECT, iv, says) + b"".join(sealed)

    def seal_upload(self, iv, key, part_checksums, content_type, slots, parts):
        """`parts` are those that came: the IV of the note, and what it says, each."""
        says = hashlib.sha256(key.encode()).digest() + bytes([part_checksums]) + typed(content_type)
        stored = bytearray(self.seal_head(UPLOAD, iv, says) + bytes(SLOT * slots))
        for part_iv, part in parts:
            at = FILE_HEAD + SLOT * (part["number"] - 1)
            stored[at : at + SLOT] = self.seal(b"note", part["number"], part_iv, part_says(part))
        return bytes(stored)


# The numbers in the note of a part; SHA-256 follows.
PART = (("number", 4), ("part_size", 8), ("size", 8))


def part_says(part):
    return b"".join(part[name].to_bytes(length, "big") for name, length in PART) + bytes.fromhex(part["sha256"])


def typed(content_type):
    return bytes([len(content_type)]) + content_type.encode()


def read_type(says):
    try:
        return says[1 : 1 + says[0]].decode("ascii")
    except UnicodeDecodeError:
        raise Refused("contents") from None


def open_head(data_key, magic, head):
    """The file with this head, and what the head says."""
    require(len(head) == FILE_HEAD, "form")
    require(head[:8] == magic, "magic")
    require(head[8:28] == data_key.tenant + data_key.id, "key")
    file = SealedFile(data_key, head[28:60])
    return file, file.open(b"head" + magic, 0, head[60:])


def open_object(data_key, stored):
    """The bytes of an object, their SHA-256 as it was when they were stored, and their type."""
    file, says = open_head(data_key, OBJECT, stored[:FILE_HEAD])
    size, sha256, content_type = int.from_bytes(says[:8], "big"), says[8:40], read_type(says[40:])
    chunks = (size + CHUNK - 1) // CHUNK
    require(len(stored) == FILE_HEAD + size + 28 * chunks, "length")
    begins = range(FILE_HEAD, len(stored), SEALED_CHUNK)
    opened = [file.open(b"chunk", number, stored[at : at + SEALED_CHUNK]) for number, at in enumerate(begins)]
    return b"".join(opened), sha256, content_type


def open_upload(data_key, stored):
    """What an upload in parts is: SHA-256 of its key, whether parts need checksums, type, and the parts that came."""
    file, says = open_head(data_key, UPLOAD, stored[:FILE_HEAD])
    parts = []
    for at in range(FILE_HEAD, len(stored) - SLOT + 1, SLOT):
        number = 1 + (at - FILE_HEAD) // SLOT
        try:
            plaintext = file.open(b"note", number, stored[at : at + SLOT])
            part = fixed(plaintext, *PART, ("sha256", 32))
            require(part["number"] == number, "contents")
        except Refused:
            continue
        parts.append(part)
    return says[:32], says[32] == 1, read_type(says[33:]), parts


REPLY = "cloakroom/kept-reply/v1"
REPLY_HEADER = 1 + 4 + 8 + 32 + 12


class Asked:
    """A request with an idempotency key."""

    def __init__(self, principal, credential, key, route, body, item):
        def labelled(label, *fields):
            return hashlib.sha256(frame(f"{REPLY}|{label}".encode(), *fields)).digest()

        self.place = labelled("place", principal, key.encode())
        if item:
            self.place = labelled("item", self.place, item.to_bytes(8, "big"))
        self.secret = frame(credential.encode(), key.encode())
        self.request = labelled("asked", route.encode(), body)

    def extracted(self, root, salt):
        return extract(salt, frame(root, self.secret))

    def commitments(self, extracted):
        request = hmac.digest(expand(extracted, REPLY + "|request"), self.request, "sha256")
        return expand(extracted, REPLY + "|credential"), request

    def seal(self, deployment, kid, kept_until_ms, salt, iv, reply):
        extracted = self.extracted(deployment.secret(kid), salt)
        header = VERSION + kid + kept_until_ms.to_bytes(8, "big") + salt + iv + b"".join(self.commitments(extracted))
        aad = frame(REPLY.encode(), deployment.id, self.place, header)
        return header + AESGCM(expand(extracted, REPLY + "|key")).encrypt(iv, reply, aad)

    def open(self, deployment, kept):
        require(len(kept) >= REPLY_HEADER + 64, "form")
        require(kept[:1] == VERSION, "version")
        salt, iv = kept[13:45], kept[45:57]
        extracted = self.extracted(deployment.secret(kept[1:5]), salt)
        credential, request = self.commitments(extracted)
        require(hmac.compare_digest(credential, kept[57:89]), "credential")
        require(hmac.compare_digest(request, kept[89:121]), "request")
        aad = frame(REPLY.encode(), deployment.id, self.place, kept[:121])
        reply = decrypt(expand(extracted, REPLY + "|key"), iv, kept[121:], aad)
        return int.from_bytes(kept[5:13], "big"), reply
