"""Makes the vectors of what is sealed: see `make.py`.

Each negative has one fault and is right in all else, so that it is one check that has to refuse it, `refused_by`.
"""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common import (
    DEPLOYMENT,
    IV,
    OTHER,
    OTHER_DEPLOYMENT,
    PRIMARY,
    RING,
    SALT,
    document,
    drawn,
    flipped,
    is_one_spelling,
    kid_in,
    negative,
    opening_all,
    spellings,
)
from sealing import (
    HEADER,
    PARTS,
    TAG,
    Deployment,
    base64url,
    expand,
    extract,
    frame,
    seal,
)

PURPOSES = [
    f"cloakroom/{name}/v1"
    for name in (
        "share session cursor object-put object-post object-part object-get handoff submission move signing-in "
        "data-key encrypted-data-key client event-ticket"
    ).split()
]


def faulty(
    purpose,
    plaintext,
    *,
    version=1,
    suite=1,
    salted=True,
    commitment=None,
    labels=("|key", "|commit"),
    key_purpose=None,
    aad=None,
):
    """A token with one fault, otherwise made as by `seal`. `aad` gets purpose, header and deployment."""
    extracted = extract(SALT if salted else b"", RING.secret(PRIMARY))
    key = expand(extracted, (key_purpose or purpose) + labels[0])
    commitment = commitment or expand(extracted, purpose + labels[1])
    header = bytes([version, suite]) + PRIMARY + SALT + commitment + IV
    fields = (purpose.encode(), header, DEPLOYMENT)
    return header + AESGCM(key).encrypt(IV, plaintext, (aad or frame)(*fields))


def parts(token):
    """Where each part of a token begins and ends."""
    at, found = 0, {}
    for name, length in PARTS.items():
        found[name] = (at, at + length)
        at += length
    return found | {"ciphertext": (HEADER, len(token) - TAG), "tag": (len(token) - TAG, len(token))}


def sealed_faults(purpose, plaintext):
    """Name of the fault, token, and the check that refuses it."""
    a = seal(RING, purpose, PRIMARY, SALT, IV, plaintext)
    other_plaintext = bytes(byte ^ 1 for byte in plaintext)
    b = seal(RING, purpose, PRIMARY, drawn("salt of b", 32), drawn("iv of b", 12), other_plaintext)
    another = PURPOSES[(PURPOSES.index(purpose) + 1) % len(PURPOSES)]
    where = parts(a)
    checks = {"version": "version", "suite": "suite", "kid": "key", "salt": "commitment", "commitment": "commitment"}

    for part, (begin, end) in where.items():
        yield f"bit_flipped_in_{part}", flipped(a, (begin + end) // 2), checks.get(part, "tag")
    for part in ("salt", "commitment", "iv", "ciphertext", "tag"):
        begin, end = where[part]
        yield f"{part}_of_b", a[:begin] + b[begin:end] + a[end:], checks.get(part, "tag")
    yield "salt_and_commitment_of_b", a[:6] + b[6:70] + a[70:], "tag"
    yield "spliced_header_of_a_body_of_b", a[:HEADER] + b[HEADER:], "tag"

    yield "version_of_another_format", faulty(purpose, plaintext, version=2), "version"
    yield "suite_of_another_format", faulty(purpose, plaintext, suite=2), "suite"
    yield "kid_of_another_key", a[:2] + OTHER + a[6:], "commitment"
    yield "kid_of_no_key", a[:2] + b"\xff" * 4 + a[6:], "key"
    yield "sealed_under_a_retired_key", seal(opening_all(), purpose, kid_in("retired"), SALT, IV, plaintext), "key"
    other_bits = Deployment({"deployment": DEPLOYMENT.hex(), "root_keys": []})
    other_bits.keys = {PRIMARY: ("primary", drawn("other bits", 32))}
    yield "other_bits_under_the_same_kid", seal(other_bits, purpose, PRIMARY, SALT, IV, plaintext), "commitment"

    yield "wrong_commitment", faulty(purpose, plaintext, commitment=bytes(32)), "commitment"
    extracted = extract(SALT, RING.secret(PRIMARY))
    theirs = expand(extracted, another + "|commit")
    yield "commitment_of_another_purpose", faulty(purpose, plaintext, commitment=theirs), "commitment"
    swapped = faulty(purpose, plaintext, labels=("|commit", "|key"))
    yield "key_and_commitment_swapped", swapped, "commitment"
    yield "salt_not_used", faulty(purpose, plaintext, salted=False), "commitment"

    yield "purpose_swapped", seal(RING, another, PRIMARY, SALT, IV, plaintext), "commitment"
    yield "key_of_another_purpose", faulty(purpose, plaintext, key_purpose=another), "tag"
    swap = lambda label, header, deployment: frame(another.encode(), header, deployment)
    yield "purpose_swapped_in_aad_alone", faulty(purpose, plaintext, aad=swap), "tag"
    without = lambda label, header, deployment: frame(header, deployment)
    yield "purpose_not_authenticated", faulty(purpose, plaintext, aad=without), "tag"
    without = lambda label, header, deployment: frame(label, deployment)
    yield "header_not_authenticated", faulty(purpose, plaintext, aad=without), "tag"
    without = lambda label, header, deployment: frame(label, header)
    yield "deployment_not_authenticated", faulty(purpose, plaintext, aad=without), "tag"
    yield "aad_without_lengths", faulty(purpose, plaintext, aad=lambda *fields: b"".join(fields)), "tag"
    elsewhere = lambda label, header, _: frame(label, header, OTHER_DEPLOYMENT)
    yield "deployment_swapped", faulty(purpose, plaintext, aad=elsewhere), "tag"

    yield "truncated_by_one", a[:-1], "tag"
    yield "tag_cut_off", a[:-TAG], "tag"
    yield "header_alone", a[:HEADER], "tag"
    yield "header_without_its_last_byte", a[: HEADER - 1], "form"
    yield "nothing", b"", "form"
    yield "extended_by_one", a + b"\0", "tag"
    yield "byte_inserted_before", b"\0" + a, "version"
    yield "doubled", a + a, "tag"


def text_faults(purpose, plaintext, prefix="", fixed_length=False):
    """As `sealed_faults`, as texts, and with what a text alone can have wrong."""
    right = seal(RING, purpose, PRIMARY, SALT, IV, plaintext)
    text = base64url(right)
    for name, token, check in sealed_faults(purpose, plaintext):
        yield name, prefix + base64url(token), "form" if fixed_length and len(token) != len(right) else check
    for name, other in spellings(text):
        # A character more or less can be another byte, whole.
        is_whole = name.startswith("character") and is_one_spelling(other)
        yield name, prefix + other, "tag" if is_whole and not fixed_length else "form"
    if prefix:
        other = "crm_" if prefix == "crs_" else "crs_"
        yield "without_prefix", text, "form"
        yield "prefix_of_another_kind", other + text, "form"
        yield "prefix_in_capitals", prefix.upper() + text, "form"
        yield "prefix_twice", prefix + prefix + text, "form" if fixed_length else "version"


def bytes_of(contents, *fields):
    numbers = {8: lambda n: n.to_bytes(8, "big"), 4: lambda n: n.to_bytes(4, "big")}
    return b"".join(numbers.get(length, bytes.fromhex)(contents[name]) for name, length in fields)


def kind(name, description, purpose, prefix, all_contents, encode, bad_plaintexts, fixed_length=False):
    """The vectors of one kind of token with a form of its own."""
    positives = []
    for case, (kid, contents) in all_contents.items():
        salt, iv = drawn(f"{name} {case} salt", 32), drawn(f"{name} {case} iv", 12)
        text = prefix + base64url(seal(RING, purpose, kid, salt, iv, encode(contents)))
        inputs = {"kid": kid.hex(), "salt": salt.hex(), "iv": iv.hex(), "contents": contents}
        positives.append({"name": case, **inputs, "text": text})
    plaintext = encode(next(iter(all_contents.values()))[1])
    negatives = [
        negative(fault, check, text=text)
        for fault, text, check in text_faults(purpose, plaintext, prefix, fixed_length)
    ]
    for fault, bad in bad_plaintexts(plaintext).items():
        text = prefix + base64url(seal(RING, purpose, PRIMARY, SALT, IV, bad))
        check = "form" if fixed_length and len(bad) != len(plaintext) else "contents"
        negatives.append(negative(fault, check, text=text))
    return document(name, description, positives, negatives, purpose=purpose)


def wrong_lengths(plaintext):
    return {
        "plaintext_of_one_byte_less": plaintext[:-1],
        "plaintext_of_one_byte_more": plaintext + b"\0",
        "plaintext_empty": b"",
    }


def tokens():
    """The kinds of tokens whose plaintext is a format of its own."""
    hex_of = lambda label, length: drawn(label, length).hex()
    share = {
        "tenant": hex_of("tenant", 16),
        "share": hex_of("share", 16),
        "issued_at_ms": 1_790_000_000_000,
        "expires_at_ms": 1_790_000_900_000,
        "permission": "read",
        "grant_hash": hex_of("grant", 32),
    }

    def encode_share(contents):
        permission = {"read": 1, "write": 2}[contents["permission"]]
        fields = (("tenant", 16), ("share", 16), ("issued_at_ms", 8), ("expires_at_ms", 8))
        start = bytes_of(contents, *fields)
        return start + permission.to_bytes(4, "big") + bytes(4) + bytes.fromhex(contents["grant_hash"])

    def bad_shares(plaintext):
        admin = (3).to_bytes(4, "big")
        return wrong_lengths(plaintext) | {
            "permission_unknown": plaintext[:48] + admin + plaintext[52:],
            "permission_none": plaintext[:48] + bytes(4) + plaintext[52:],
            "permission_in_little_endian": plaintext[:48] + b"\x01\0\0\0" + plaintext[52:],
            "reserved_not_zero": plaintext[:52] + b"\0\0\0\x01" + plaintext[56:],
        }

    yield kind(
        "share-token",
        "Share tokens: claim a share. 252 characters each. See SECURITY.md, Share tokens.",
        "cloakroom/share/v1",
        "crs_",
        {
            "read": (PRIMARY, share),
            "write": (PRIMARY, share | {"permission": "write", "expires_at_ms": 1_790_604_800_000}),
            "under_a_key_that_only_opens": (OTHER, share),
            "largest_numbers": (PRIMARY, share | {"issued_at_ms": 2**53, "expires_at_ms": 2**53 + 1}),
        },
        encode_share,
        bad_shares,
        fixed_length=True,
    )

    session = {name: share[name] for name in ("tenant", "share")} | {
        "session": hex_of("session", 16),
        "issued_at_ms": 1_790_000_000_000,
        "expires_at_ms": 1_790_000_900_000,
        "claim_hash": hex_of("claim", 32),
        "grant_hash": share["grant_hash"],
    }
    ids, times = (("tenant", 16), ("share", 16)), (("issued_at_ms", 8), ("expires_at_ms", 8))
    marks = (("claim_hash", 32), ("grant_hash", 32))
    for name, description, prefix, contents, fields in (
        (
            "session-token",
            "Session tokens: act in an open session. See docs/formats.md.",
            "cst_",
            session,
            (*ids, ("session", 16), *times, *marks),
        ),
        (
            "move-token",
            "Move tokens: go on with a session on another device. See SECURITY.md, Share tokens.",
            "crm_",
            {key: value for key, value in session.items() if key != "session"},
            (*ids, *times, *marks),
        ),
        (
            "submission-token",
            "Submission tokens: deliver to a file request. See docs/formats.md.",
            "csb_",
            {
                "request": hex_of("request", 16),
                "expires_at_ms": session["expires_at_ms"],
                "claim_hash": session["claim_hash"],
            },
            (("request", 16), ("expires_at_ms", 8), ("claim_hash", 32)),
        ),
    ):
        purpose = f"cloakroom/{name.removesuffix('-token')}/v1"
        encode = lambda contents, fields=fields: bytes_of(contents, *fields)
        cases = {"primary": (PRIMARY, contents), "under_a_key_that_only_opens": (OTHER, contents)}
        yield kind(name, description, purpose, prefix, cases, encode, wrong_lengths)

    signing_in = {
        "state": hex_of("state", 32),
        "nonce": hex_of("nonce", 32),
        "verifier": hex_of("verifier", 32),
        "expires_at_ms": 1_790_000_600_000,
        "provider": "wörk",
    }
    fields = (("state", 32), ("nonce", 32), ("verifier", 32), ("expires_at_ms", 8))
    yield kind(
        "signing-in",
        "What a browser carries while somebody signs in at an identity provider. See docs/formats.md.",
        "cloakroom/signing-in/v1",
        "",
        {"primary": (PRIMARY, signing_in), "no_name": (PRIMARY, signing_in | {"provider": ""})},
        lambda contents: bytes_of(contents, *fields) + contents["provider"].encode(),
        lambda plaintext: {"plaintext_too_short": plaintext[:103], "provider_not_utf_8": plaintext[:104] + b"\xff"},
    )

    wrapped = {"tenant": share["tenant"], "key_id": "a1a2a3a4", "wrapped": hex_of("data key", 32)}
    encode = lambda contents: bytes.fromhex(contents["tenant"] + contents["key_id"] + contents["wrapped"])
    elsewhere = lambda plaintext: {
        "of_another_tenant": drawn("another tenant", 16) + plaintext[16:],
        "tenant_alone": plaintext[:16],
        "key_id_cut": plaintext[:19],
    }
    yield kind(
        "data-key",
        "The data key of a tenant, wrapped under a root key, opened for the first one's tenant. See docs/formats.md.",
        "cloakroom/data-key/v1",
        "",
        {"primary": (PRIMARY, wrapped)},
        encode,
        lambda plaintext: wrong_lengths(plaintext) | elsewhere(plaintext),
    )
    yield kind(
        "encrypted-data-key",
        "The same of one that KMS has encrypted before, each opened for the first one's tenant. See docs/formats.md.",
        "cloakroom/encrypted-data-key/v1",
        "",
        {"primary": (PRIMARY, wrapped | {"wrapped": hex_of("ciphertext of KMS", 32) * 5})},
        encode,
        elsewhere,
    )


def sealed_tokens():
    """Every purpose, over plaintexts of three lengths."""
    positives, negatives = [], []
    for at, purpose in enumerate(PURPOSES):
        salt, iv = drawn(f"{purpose} salt", 32), drawn(f"{purpose} iv", 12)
        plaintext = drawn("plaintext", 32) * 2
        plaintext = plaintext[: 30 + at]
        inputs = {"purpose": purpose, "kid": PRIMARY.hex(), "salt": salt.hex(), "iv": iv.hex()}
        text = base64url(seal(RING, purpose, PRIMARY, salt, iv, plaintext))
        positives.append({"name": purpose, **inputs, "plaintext": plaintext.hex(), "text": text})
        wanted = (
            None
            if purpose == "cloakroom/cursor/v1"
            else ("purpose_swapped", "purpose_swapped_in_aad_alone", "wrong_commitment")
        )
        for fault, text, check in text_faults(purpose, plaintext):
            if wanted is None or fault in wanted:
                negatives.append(negative(fault, check, purpose=purpose, text=text))
    salt, iv = drawn("empty salt", 32), drawn("empty iv", 12)
    purpose = "cloakroom/cursor/v1"
    inputs = {"purpose": purpose, "kid": PRIMARY.hex(), "salt": salt.hex(), "iv": iv.hex(), "plaintext": ""}
    empty = base64url(seal(RING, purpose, PRIMARY, salt, iv, b""))
    positives.append({"name": "nothing_sealed", **inputs, "text": empty})
    negatives.append(negative("longer_than_any", "form", purpose=purpose, text="A" * (16 * 1024 + 1)))
    description = "Sealed tokens of every purpose. See SECURITY.md, Share tokens, and docs/formats.md."
    return document("sealed-token", description, positives, negatives)


def documents():
    yield sealed_tokens()
    yield from tokens()
