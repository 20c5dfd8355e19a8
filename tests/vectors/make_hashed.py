"""Makes the vectors of what is kept, found or compared as a hash: see `make.py`."""

from common import DEPLOYMENT, OTHER, PRIMARY, RING, TENANT, document, drawn, flipped, negative
from sealing import DataKey, base64url
from vouching import (
    OPAQUE,
    RecipientKey,
    claim_hash,
    client_commitment,
    csrf_token,
    grant_hash,
    lookup_hash,
    session_id,
    stored_hash,
)


def opaque_tokens():
    positives, negatives = [], []
    for kind, prefix in OPAQUE.items():
        random = drawn(kind, 32)
        text = prefix + base64url(random)
        positives.append(
            {"name": kind, "kind": kind, "random": random.hex(), "text": text, "stored": stored_hash(kind, text)}
        )
        body = text[len(prefix) :]
        other = next(other for other in OPAQUE.values() if other != prefix)
        last = chr(ord(body[-1]) + 1)
        for name, wrong in (
            ("without_prefix", body),
            ("prefix_of_another_kind", other + body),
            ("prefix_in_capitals", prefix.upper() + body),
            ("truncated_by_one", text[:-1]),
            ("extended_by_one", text + "A"),
            ("padding_added", text + "="),
            ("spare_bits_set", text[:-1] + last),
            ("space_before", " " + text),
            ("line_feed_after", text + "\n"),
            ("of_31_bytes", prefix + base64url(random[:31])),
            ("of_33_bytes", prefix + base64url(random + b"\0")),
            ("prefix_alone", prefix),
            ("nothing", ""),
        ):
            negatives.append(negative(name, "form", kind=kind, text=wrong))
    return document(
        "opaque-token", "Tokens of which the SHA-256 alone is kept. See docs/formats.md.", positives, negatives
    )


def claim_keys():
    key, claimed = drawn("claim key", 32), drawn("share", 16)
    text = base64url(key)
    made = {"claim_hash": base64url(claim_hash(key, claimed)), "session": session_id(key, claimed).hex()}
    positives = [{"name": "claim", "text": text, "claimed": claimed.hex(), **made}]
    negatives = [
        negative(name, "form", text=wrong)
        for name, wrong in (
            ("truncated_by_one", text[:-1]),
            ("extended_by_one", text + "A"),
            ("padding_added", text + "="),
            ("spare_bits_set", text[:-1] + chr(ord(text[-1]) + 1)),
            ("of_31_bytes", base64url(key[:31])),
            ("of_33_bytes", base64url(key + b"\0")),
            ("nothing", ""),
        )
    ]
    return document("claim-key", "Claim keys, and what is stored of them. See docs/formats.md.", positives, negatives)


def csrf_tokens():
    secret = "crc_" + base64url(drawn("console_session", 32))
    other = "crc_" + base64url(drawn("another console session", 32))
    token = csrf_token(secret)
    positives = [{"name": "token", "secret": secret, "token": token}]
    negatives = [
        negative(name, "mac", secret=secret, token=wrong)
        for name, wrong in (
            ("of_another_session", csrf_token(other)),
            ("the_secret_itself", secret),
            ("stored_hash", stored_hash("console_session", secret)),
            ("first_character_changed", ("A" if token[0] != "A" else "B") + token[1:]),
            ("truncated_by_one", token[:-1]),
            ("extended_by_one", token + "A"),
            ("nothing", ""),
        )
    ]
    return document(
        "csrf-token", "What pages of the console repeat. See SECURITY.md, The browser.", positives, negatives
    )


def recipients():
    thing = drawn("share", 16)
    key = RecipientKey(RING, PRIMARY, TENANT, thing)
    addresses, code = ["bob@example.org", "Ada@example.org"], "01234567"
    ada = key.recipient("ada@example.org")
    of = {"kid": PRIMARY.hex(), "tenant": TENANT.hex(), "thing": thing.hex(), "addresses": addresses, "code": code}
    marks = {"list": key.list(addresses), "recipients": [key.recipient(address) for address in addresses]}
    positives = [{"name": "two", **of, **marks, "code_mark": key.code(ada, code), "code_of": ada}]
    bob = key.recipient("bob@example.org")
    tenant, share = (
        RecipientKey(RING, PRIMARY, *other) for other in ((drawn("another", 16), thing), (TENANT, drawn("another", 16)))
    )
    root = RecipientKey(RING, OTHER, TENANT, thing)
    mark = key.code(ada, code)
    negatives = [
        negative(name, "mac", code_of=of, code=tried, code_mark=wrong)
        for name, of, tried, wrong in (
            ("another_code", ada, "01234568", mark),
            ("another_recipients_code", bob, code, mark),
            ("code_of_another_tenant", ada, code, tenant.code(ada, code)),
            ("code_of_another_share", ada, code, share.code(ada, code)),
            ("code_under_another_root_key", ada, code, root.code(ada, code)),
            ("mark_of_an_address", ada, code, key.recipient(code)),
            ("without_its_zero", ada, code[1:], mark),
            ("truncated_by_one", ada, code, mark[:-1]),
            ("nothing", ada, code, ""),
        )
    ]
    return document(
        "recipient-mark", "Marks of recipients and codes. See SECURITY.md, Share tokens.", positives, negatives
    )


def lookups():
    key = {"tenant": TENANT.hex(), "key_id": "a1a2a3a4", "secret": drawn("data key", 32).hex()}
    data_key = DataKey(DEPLOYMENT, *(bytes.fromhex(key[name]) for name in ("tenant", "key_id", "secret")))
    issuer, subject, address = "https://issuer.example", "sübject-1", "ada@example.org"
    made = {
        "user": lookup_hash(data_key, "user", issuer, subject).hex(),
        "data_subject_by_address": lookup_hash(data_key, "data-subject|address", address).hex()[:32],
        "data_subject_by_user": lookup_hash(data_key, "data-subject|user", issuer, subject).hex()[:32],
    }
    positives = [{"name": "person", "issuer": issuer, "subject": subject, "address": address, **made}]
    # Nothing presents one of these hashes: there is nothing to refuse.
    return document(
        "lookup-hash", "How persons are found. See SECURITY.md, Personal data.", positives, [], data_key=key
    )


def grants():
    grant = {
        "share": drawn("share", 16).hex(),
        "tenant": TENANT.hex(),
        "mode": "live",
        "minter": f"key_{drawn('minter', 16).hex()}",
        "tenant_generation": 2**63 + 5,
        "minter_generation": 7,
        "permission": "read",
        "paths": ["a.pdf", "docs/"],
        "issued_at_ms": 1_790_000_000_000,
        "not_before_ms": None,
        "expires_at_ms": 1_790_000_900_000,
        "access_seconds": 3600,
        "redemptions": 1,
        "networks": [],
        "recipients": None,
    }
    key = RecipientKey(RING, PRIMARY, TENANT, drawn("share", 16))
    changes = {
        "plain": {},
        "test_namespace": {"mode": "test"},
        "minted_by_a_user": {"minter": f"usr_{drawn('minter', 16).hex()}"},
        "write": {"permission": "write"},
        "one_path": {"paths": ["docs/"]},
        "file_and_not_folder": {"paths": ["docs"]},
        "opens_later": {"not_before_ms": 1_790_000_100_000},
        "opens_at_the_epoch": {"not_before_ms": 0},
        "several_redemptions": {"redemptions": 3},
        "networks": {"networks": ["192.0.2.0/24", "2001:db8::/32"]},
        "recipients": {"recipients": key.list(["ada@example.org"])},
    }
    positives = [
        {"name": name, "grant": grant | change, "hash": grant_hash(grant | change).hex()}
        for name, change in changes.items()
    ]
    # A hash has no form that could be wrong: that no two grants have the same is what is tested.
    return document("grant-hash", "Hashes of grants, which share tokens seal. See docs/formats.md.", positives, [])


def commitments():
    salt, client = drawn("client salt", 32), {"address": "192.0.2.1", "user_agent": "curl/8.0"}
    of = {"salt": salt.hex(), "client": client}
    commitment = client_commitment(salt, client)
    positives = [{"name": "client", **of, "commitment": commitment}]
    nameless = {"address": "2001:db8::1", "user_agent": ""}
    positives.append(
        {"name": "without_a_program", **of, "client": nameless, "commitment": client_commitment(salt, nameless)}
    )
    negatives = [
        negative(name, "commitment", **of | changed, commitment=wrong)
        for name, changed, wrong in (
            ("another_salt", {"salt": flipped(salt, 3).hex()}, commitment),
            ("another_address", {"client": client | {"address": "192.0.2.2"}}, commitment),
            ("another_program", {"client": client | {"user_agent": "curl/8.1"}}, commitment),
            ("bit_flipped_in_commitment", {}, flipped(bytes.fromhex(commitment), 31).hex()),
        )
    ]
    return document(
        "client-commitment", "Commitments to who asked. See docs/ledger.md, Who asked.", positives, negatives
    )


def documents():
    for make in (opaque_tokens, claim_keys, csrf_tokens, recipients, lookups, grants, commitments):
        yield make()
