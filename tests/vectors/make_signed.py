"""Makes the vectors of what leaves the house, ledgers, checkpoints, receipts, cookies and webhooks: see `make.py`."""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from common import (
    DEPLOYMENT,
    OTHER,
    OTHER_DEPLOYMENT,
    PRIMARY,
    RING,
    TENANT_ID,
    document,
    drawn,
    flipped,
    negative,
    opening_all,
)
from vouching import (
    canonical,
    ledger_beginning,
    ledger_origin,
    note_key_hash,
    pem,
    public_half,
    receipt_seed,
    record_hash,
    sign_ed25519,
    signing_key_id,
    webhook_signature,
)


def chain(deployment, tenant, mode, count, change=None):
    previous, records = ledger_beginning(deployment, tenant, mode), []
    for seq in range(1, count + 1):
        record = {
            "actor": {"id": f"key_{drawn('minter', 16).hex()}", "kind": "api_key"},
            "at": f"2026-11-23T08:00:0{seq}Z",
            "id": f"evt_{drawn(f'event {seq}', 16).hex()}",
            "namespace": {"mode": mode, "tenant": tenant},
            "outcome": "done",
            "prev_hash": previous,
            "request": f"req_{drawn(f'request {seq}', 16).hex()}",
            "resource": 'shr_"ü\u0001\n' if seq == 2 else f"shr_{drawn('share', 16).hex()}",
            "seq": seq,
            "type": "share.created",
        }
        text = canonical(record | (change(seq, record) or {} if change else {}))
        records.append(text)
        previous = record_hash(text)
    return records, previous


def ledger():
    records, head = chain(DEPLOYMENT, TENANT_ID, "live", 4)
    positives = []
    for name, mode in (("live", "live"), ("test", "test")):
        texts, end = chain(DEPLOYMENT, TENANT_ID, mode, 4)
        beginning = ledger_beginning(DEPLOYMENT, TENANT_ID, mode)
        listed = [{"text": text, "hash": record_hash(text)} for text in texts]
        of = {"tenant": TENANT_ID, "mode": mode, "beginning": beginning}
        positives.append({"name": name, **of, "records": listed, "head": end})
    one, two, three, four = records
    foreign = f"ten_{drawn('another tenant', 16).hex()}"
    late = two.replace("08:00:02", "08:00:03")
    spaced = two.replace('","', '", "', 1)
    escaped = two.replace("ü", "\\u00fc")
    ordered = '{"id"' + two[two.index('"id"') + 4 : -1] + "," + two[1 : two.index(',"id"')] + "}"
    skipped, skipped_head = chain(DEPLOYMENT, TENANT_ID, "live", 3, lambda seq, record: {"seq": seq + (seq > 1)})
    namespace = lambda tenant, mode="live": {"mode": mode, "tenant": tenant}
    foreign_second = lambda seq, record: {"namespace": namespace(foreign)} if seq == 2 else None
    test_second = lambda seq, record: {"namespace": namespace(TENANT_ID, "test")} if seq == 2 else None
    of_foreign, foreign_head = chain(DEPLOYMENT, TENANT_ID, "live", 3, foreign_second)
    of_test, test_head = chain(DEPLOYMENT, TENANT_ID, "live", 3, test_second)
    elsewhere, elsewhere_head = chain(OTHER_DEPLOYMENT, TENANT_ID, "live", 3)
    negatives = [
        negative(name, check, tenant=TENANT_ID, mode="live", records=list(texts), head=end, first_bad=seq)
        for name, check, texts, end, seq in (
            ("record_changed", "previous", [one, late, three, four], head, 3),
            ("last_record_changed", "head", [one, two, three, four.replace("08:00:04", "08:00:05")], head, 4),
            ("record_removed", "number", [one, three, four], head, 2),
            ("first_record_removed", "number", [two, three, four], head, 1),
            ("record_doubled", "number", [one, two, two, three, four], head, 3),
            ("records_swapped", "number", [one, three, two, four], head, 2),
            ("tail_cut", "head", [one, two, three], head, 3),
            ("number_skipped", "number", skipped, skipped_head, 2),
            ("record_of_another_tenant", "ledger", of_foreign, foreign_head, 2),
            ("record_of_another_mode", "ledger", of_test, test_head, 2),
            ("beginning_of_another_deployment", "previous", elsewhere, elsewhere_head, 1),
            ("white_space_in_a_record", "form", [one, spaced, three, four], head, 2),
            ("letter_escaped_in_a_record", "form", [one, escaped, three, four], head, 2),
            ("members_in_another_order", "form", [one, ordered, three, four], head, 2),
            ("number_as_a_fraction", "form", [one, two.replace('"seq":2', '"seq":2.0'), three, four], head, 2),
            ("record_truncated_by_one", "form", [one, two[:-1], three, four], head, 2),
            ("record_extended_by_one", "form", [one, two + " ", three, four], head, 2),
            ("wrong_head", "head", records, record_hash("{}"), 4),
        )
    ]
    return document(
        "ledger", "Records of a ledger and their hashes. See docs/ledger.md, A record.", positives, negatives
    )


def note(text, name, seed, key_hash=None):
    signature = (key_hash or note_key_hash(name, public_half(seed))) + sign_ed25519(seed, text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"


def checkpoints():
    seed, other = drawn("signing key", 32), drawn("another signing key", 32)
    key = public_half(seed)
    origin = ledger_origin(DEPLOYMENT, TENANT_ID, "live")
    _, head = chain(DEPLOYMENT, TENANT_ID, "live", 4)
    said = {"size": 4, "head": head, "at_seconds": 1_795_430_400}

    def text(origin=origin, size="4", head=head, at="at 1795430400\n"):
        return f"{origin}\n{size}\n{base64.b64encode(bytes.fromhex(head)).decode()}\n{at}"

    right = note(text(), origin, seed)
    key_hash = note_key_hash(origin, key)
    encoded = base64.b64encode(b"\x01" + key).decode()
    by = {"seed": seed.hex(), "tenant": TENANT_ID, "mode": "live", "origin": origin}
    names = {"key_id": signing_key_id(key), "verifier_key": f"{origin}+{key_hash.hex()}+{encoded}"}
    positives = [{"name": "checkpoint", **by, **said, "public_key_pem": pem(key), **names, "note": right}]
    test = ledger_origin(DEPLOYMENT, TENANT_ID, "test")
    line = right.rindex("— ")
    signature = base64.b64decode(right[line:].split(" ")[2])
    resigned = lambda data: right[:line] + f"— {origin} {base64.b64encode(data).decode()}\n"
    negatives = [
        negative(name, check, origin=origin, public_key_pem=pem(key), note=wrong)
        for name, check, wrong in (
            ("size_changed", "signature", right.replace("\n4\n", "\n5\n", 1)),
            ("head_changed", "signature", right.replace(text(), text(head=record_hash("{}")))),
            ("time_changed", "signature", right.replace("at 1795430400", "at 1795430401")),
            ("bit_flipped_in_signature", "signature", resigned(flipped(signature, 40))),
            ("bit_flipped_in_key_hash", "signature", resigned(flipped(signature, 0))),
            ("signature_truncated_by_one", "signature", resigned(signature[:-1])),
            ("signature_extended_by_one", "signature", resigned(signature + b"\0")),
            ("signed_by_another_key", "signature", note(text(), origin, other)),
            ("another_key_under_our_key_hash", "signature", note(text(), origin, other, key_hash)),
            ("signed_under_another_name", "signature", note(text(), test, seed)),
            ("our_key_hash_under_another_name", "signature", note(text(), test, seed, key_hash)),
            ("of_another_ledger", "ledger", note(text(origin=test), origin, seed)),
            (
                "signature_of_another_checkpoint",
                "signature",
                note(text(size="5"), origin, seed).replace("\n5\n", "\n4\n", 1),
            ),
            ("without_a_signature", "form", text()),
            ("signature_without_its_line_feed", "form", right[:-1]),
            ("zero_before_the_size", "form", note(text(size="04"), origin, seed)),
            ("sign_before_the_size", "form", note(text(size="+4"), origin, seed)),
            ("without_a_time", "form", note(text(at=""), origin, seed)),
            ("line_added", "form", note(text() + "more\n", origin, seed)),
            ("head_of_31_bytes", "form", note(text(head=head[:62]), origin, seed)),
            ("head_of_33_bytes", "form", note(text(head=head + "00"), origin, seed)),
        )
    ]
    return document("checkpoint", "Signed checkpoints. See docs/ledger.md, Checkpoints.", positives, negatives)


def receipts():
    seed = receipt_seed(RING, PRIMARY, TENANT_ID)
    said = {
        "checksum": {"algorithm": "sha256", "type": "full", "value": drawn("file", 32).hex()},
        "completed_at": "2026-11-23T08:00:05Z",
        "content_type": "text/plain",
        "declared_at": "2026-11-23T08:00:00Z",
        "deployment": DEPLOYMENT.hex(),
        "mode": "live",
        "path": 'ü/"a".txt',
        "size": 10,
        "tenant": TENANT_ID,
        "type": "cloakroom.upload-receipt.v1",
        "upload": f"upl_{drawn('upload', 16).hex()}",
        "uploader": f"key_{drawn('minter', 16).hex()}",
    }

    def receipt(payload, seed=seed, algorithm="Ed25519", signature=None):
        payload = payload.encode()
        signature = signature or sign_ed25519(seed, payload)
        encoded = {"payload": base64.b64encode(payload).decode(), "signature": base64.b64encode(signature).decode()}
        return json.dumps({"algorithm": algorithm, "key_id": PRIMARY.hex(), **encoded})

    text, key = canonical(said), public_half(seed)
    signature = sign_ed25519(seed, text.encode())
    by = {"kid": PRIMARY.hex(), "tenant": TENANT_ID, "public_key_pem": pem(key)}
    positives = [{"name": "receipt", **by, "payload": text, "signature": signature.hex(), "receipt": receipt(text)}]
    larger = text.replace('"size":10', '"size":11')
    other = "cloakroom.other.v1"
    negatives = [
        negative(name, check, public_key_pem=pem(key), receipt=wrong)
        for name, check, wrong in (
            ("payload_changed", "signature", receipt(larger, signature=signature)),
            ("bit_flipped_in_signature", "signature", receipt(text, signature=flipped(signature, 40))),
            ("signature_truncated_by_one", "signature", receipt(text, signature=signature[:-1])),
            ("signature_extended_by_one", "signature", receipt(text, signature=signature + b"\0")),
            ("signature_of_another_receipt", "signature", receipt(text, signature=sign_ed25519(seed, larger.encode()))),
            ("signed_for_another_tenant", "signature", receipt(text, receipt_seed(RING, PRIMARY, "ten_" + "0" * 32))),
            ("signed_under_another_root_key", "signature", receipt(text, receipt_seed(RING, OTHER, TENANT_ID))),
            (
                "signed_in_another_deployment",
                "signature",
                receipt(text, receipt_seed(opening_all(OTHER_DEPLOYMENT), PRIMARY, TENANT_ID)),
            ),
            ("signed_by_the_root_key_itself", "signature", receipt(text, RING.secret(PRIMARY))),
            ("of_another_algorithm", "algorithm", receipt(text, algorithm="ed25519")),
            ("payload_not_canonical", "form", receipt(text.replace(",", ", ", 1))),
            ("payload_of_another_type", "contents", receipt(canonical(said | {"type": other}))),
            ("number_as_a_fraction", "form", receipt(text.replace('"size":10', '"size":10.0'))),
            ("no_receipt", "form", "{"),
        )
    ]
    return document("receipt", "Receipts of uploads. See docs/receipts.md.", positives, negatives)


def edge_cookies():
    scalar = int.from_bytes(drawn("edge key", 32), "big")
    key, other = (ec.derive_private_key(number, ec.SECP256R1()) for number in (scalar, scalar + 1))
    pkcs8 = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    origin, until = "https://abc.content.example", 1_790_000_900

    def policy(resource=f"{origin}/*", until=until, more=None):
        condition = {"DateLessThan": {"AWS:EpochTime": until}} | (more or {})
        return json.dumps({"Statement": [{"Resource": resource, "Condition": condition}]}, separators=(",", ":"))

    def encoded(data):
        return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))

    def signature(policy, key=key, algorithm=None):
        # The same each time (RFC 6979). The program draws at random: its signatures are verified and not compared.
        return key.sign(policy.encode(), ec.ECDSA(algorithm or hashes.SHA256(), deterministic_signing=True))

    right_policy = policy()

    def cookies(policy=right_policy, signed=None, id="K1", algorithm="SHA256"):
        return [encoded(policy.encode()), encoded(signed or signature(policy)), id, algorithm]

    by = {"key_pair_id": "K1", "pkcs8": pkcs8.hex(), "public_key_pem": public}
    positives = [{"name": "cookies", "origin": origin, "until_seconds": until, "now": until - 1, "cookies": cookies()}]
    right = signature(policy())
    longer = policy(until=until + 1)
    twice = json.dumps({"Statement": json.loads(policy())["Statement"] * 2}, separators=(",", ":"))
    standard = [
        base64.b64encode(base64.b64decode(part.translate(str.maketrans("-_~", "+=/")))).decode()
        for part in cookies()[:2]
    ]
    network = {"IpAddress": {"AWS:SourceIp": "0.0.0.0/0"}}
    negatives = [
        negative(name, check, origin=at, now=now, cookies=wrong)
        for name, check, at, now, wrong in (
            ("at_its_end", "time", origin, until, cookies()),
            ("on_another_host", "origin", "https://abd.content.example", 1, cookies()),
            ("over_another_scheme", "origin", "http://abc.content.example", 1, cookies()),
            ("on_a_host_that_begins_alike", "origin", origin + ".evil.example", 1, cookies()),
            ("policy_changed", "signature", origin, 1, cookies(longer, right)),
            ("signature_of_another_policy", "signature", origin, 1, cookies(policy(), signature(longer))),
            ("bit_flipped_in_signature", "signature", origin, 1, cookies(signed=flipped(right, 20))),
            ("signature_truncated_by_one", "signature", origin, 1, cookies(signed=right[:-1])),
            ("signature_extended_by_one", "signature", origin, 1, cookies(signed=right + b"\0")),
            ("signed_by_another_key", "signature", origin, 1, cookies(signed=signature(policy(), other))),
            ("signed_over_sha_384", "signature", origin, 1, cookies(signed=signature(policy(), key, hashes.SHA384()))),
            ("another_key_named", "key", origin, 1, cookies(id="K2")),
            ("another_hash_named", "algorithm", origin, 1, cookies(algorithm="SHA1")),
            ("in_standard_base64", "form", origin, 1, [*standard, "K1", "SHA256"]),
            ("for_every_host", "origin", origin, 1, cookies(policy("*"))),
            ("for_one_file", "origin", origin, 1, cookies(policy(f"{origin}/a"))),
            ("two_statements", "contents", origin, 1, cookies(twice)),
            ("no_statement", "contents", origin, 1, cookies('{"Statement":[]}')),
            ("another_condition", "contents", origin, 1, cookies(policy(more=network))),
            ("no_policy", "contents", origin, 1, cookies("{")),
            ("nothing", "key", origin, 1, ["", "", "", ""]),
        )
    ]
    return document(
        "edge-cookie", "Cookies of the edge, as CloudFront has them. See docs/formats.md.", positives, negatives, key=by
    )


def webhooks():
    def secret(label, length):
        return "whsec_" + base64.b64encode((drawn(label, 32) * 2)[:length]).decode()

    shortest, longest, drawn_one = (secret("webhook", length) for length in (24, 64, 32))
    at, body = 1_795_430_400, '{"type":"share.claimed","data":{"path":"ü"}}'
    message = "msg_" + drawn("message", 16).hex()
    of = {"secret": drawn_one, "id": message, "timestamp": at, "body": body}
    right = webhook_signature(drawn_one, message, at, body.encode())
    positives = [
        {"name": name, **of, "secret": one, "signature": webhook_signature(one, message, at, body.encode())}
        for name, one in (("drawn_here", drawn_one), ("shortest", shortest), ("longest", longest))
    ]
    other = webhook_signature(shortest, message, at, body.encode())
    positives.append(
        {"name": "nothing_sent", **of, "body": "", "signature": webhook_signature(drawn_one, message, at, b"")}
    )
    negatives = [
        negative(name, check, **of | changed, now=now, signatures=signatures)
        for name, check, changed, now, signatures in (
            ("another_message", "signature", {"id": message[:-1] + "x"}, at, right),
            ("another_time", "signature", {"timestamp": at + 1}, at, right),
            ("another_body", "signature", {"body": body + " "}, at, right),
            ("border_of_time_and_body_moved", "signature", {"timestamp": at // 10, "body": f"0.{body}"}, at, right),
            ("under_another_secret", "signature", {}, at, other),
            ("of_another_version", "signature", {}, at, "v2" + right[2:]),
            ("without_version", "signature", {}, at, right[3:]),
            ("first_character_changed", "signature", {}, at, "v1," + ("A" if right[3] != "A" else "B") + right[4:]),
            ("truncated_by_one", "signature", {}, at, right[:-1]),
            ("extended_by_one", "signature", {}, at, right + "A"),
            ("with_a_comma_between_two", "signature", {}, at, f"{other},{right}"),
            ("nothing", "signature", {}, at, ""),
            ("too_late", "time", {}, at + 301, right),
            ("too_early", "time", {}, at - 301, right),
            ("secret_of_23_bytes", "form", {"secret": secret("webhook", 23)}, at, right),
            ("secret_without_prefix", "form", {"secret": drawn_one[6:]}, at, right),
            ("secret_without_padding", "form", {"secret": drawn_one.rstrip("=")}, at, right),
        )
    ]
    return document(
        "webhook-signature", "Signatures of webhooks. See docs/webhooks.md, A message.", positives, negatives
    )


def documents():
    for make in (ledger, checkpoints, receipts, edge_cookies, webhooks):
        yield make()
