"""Makes the vectors of what lies in the store, rows, fields and kept replies: see `make.py`."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common import (
    DEPLOYMENT,
    IV,
    OTHER,
    OTHER_DEPLOYMENT,
    PRIMARY,
    RETIRED,
    RING,
    SALT,
    TENANT_ID,
    document,
    drawn,
    flipped,
    is_one_spelling,
    negative,
    opening_all,
    spellings,
)
from sealing import FIELD, FIELD_HEADER, REPLY, TAG, Asked, DataKey, base64url, expand, extract, frame
from make_signed import chain
from vouching import authenticate_row, authenticate_segment, record_hash


def rows():
    positives = []
    for name, kid, partition, sort, body in (
        ("grant", PRIMARY, "link#1", "grant", b'{"a":1}'),
        ("nothing_in_it", PRIMARY, "", "", b""),
        ("under_a_key_that_only_opens", OTHER, "ténant#1", "state", bytes(range(256))),
    ):
        row = authenticate_row(RING, kid, partition, sort, body)
        place = {"kid": kid.hex(), "partition": partition, "sort": sort}
        positives.append({"name": name, **place, "body": body.hex(), "row": row.hex()})
    body = b'{"a":1}'
    a = authenticate_row(RING, PRIMARY, "link#1", "grant", body)
    b = authenticate_row(RING, PRIMARY, "link#1", "grant", b'{"a":2}')
    negatives = [
        negative(name, check, partition=partition, sort=sort, row=row.hex())
        for name, check, partition, sort, row in (
            ("bit_flipped_in_kid", "key", "link#1", "grant", flipped(a, 1)),
            ("bit_flipped_in_mac", "mac", "link#1", "grant", flipped(a, 20)),
            ("bit_flipped_in_body", "mac", "link#1", "grant", flipped(a, 40)),
            ("kid_of_another_key", "mac", "link#1", "grant", OTHER + a[4:]),
            (
                "under_a_retired_key",
                "key",
                "link#1",
                "grant",
                authenticate_row(opening_all(), RETIRED, "link#1", "grant", body),
            ),
            (
                "deployment_swapped",
                "mac",
                "link#1",
                "grant",
                authenticate_row(opening_all(OTHER_DEPLOYMENT), PRIMARY, "link#1", "grant", body),
            ),
            ("mac_of_a_body_of_b", "mac", "link#1", "grant", a[:36] + b[36:]),
            ("in_another_partition", "mac", "link#2", "grant", a),
            ("in_another_row", "mac", "link#1", "state", a),
            ("border_of_partition_and_sort_key_moved", "mac", "link#", "1grant", a),
            ("border_of_sort_key_and_body_moved", "mac", "link#1", "grant{", a[:36] + a[37:]),
            ("truncated_by_one", "mac", "link#1", "grant", a[:-1]),
            ("extended_by_one", "mac", "link#1", "grant", a + b"\0"),
            ("mac_cut", "form", "link#1", "grant", a[:35]),
            ("nothing", "form", "link#1", "grant", b""),
        )
    ]
    return document("row-mac", "Stored rows. See docs/formats.md, Rows.", positives, negatives)


def segments():
    records, head = chain(DEPLOYMENT, TENANT_ID, "live", 5)
    partition, sort = f"ledger#{TENANT_ID}#live", f"{3:016x}"
    body = lambda first, texts, head: "".join(f"{line}\n" for line in (f"{first} {head}", *texts)).encode()
    a = authenticate_segment(RING, PRIMARY, partition, sort, body(3, records[2:], head))
    one = authenticate_segment(RING, OTHER, partition, sort, body(3, records[2:3], record_hash(records[2])))
    positives = [
        {"name": name, "kid": kid.hex(), "partition": partition, "sort": sort, "records": texts, "row": row.hex()}
        for name, kid, texts, row in (
            ("three_records", PRIMARY, records[2:], a),
            ("one_record_under_a_key_that_only_opens", OTHER, records[2:3], one),
        )
    ]
    line = a.index(b"\n") + 1
    behind = lambda texts: a[:line] + "".join(f"{text}\n" for text in texts).encode()
    three = records[2:]
    whole = authenticate_row(RING, PRIMARY, partition, sort, b"3 " + head.encode() + b"\n")
    negatives = [
        negative(name, check, partition=partition, sort=sort, row=row.hex())
        for name, check, row in (
            ("bit_flipped_in_kid", "key", flipped(a, 1)),
            ("bit_flipped_in_mac", "mac", flipped(a, 20)),
            ("bit_flipped_in_first_number", "mac", flipped(a, 36)),
            ("bit_flipped_in_hash", "mac", flipped(a, 40)),
            ("bit_flipped_in_a_record", "records", behind([three[0], three[1].replace("done", "dome"), three[2]])),
            ("bit_flipped_in_the_last_record", "records", behind([*three[:2], three[2].replace("done", "dome")])),
            ("first_record_taken_away", "records", behind(three[1:])),
            ("last_record_taken_away", "records", behind(three[:2])),
            ("all_records_taken_away", "records", behind([])),
            ("record_before_added", "records", behind(records[1:])),
            ("record_added_at_the_end", "records", behind([*three, three[2]])),
            ("records_swapped", "records", behind([three[1], three[0], three[2]])),
            ("line_feed_taken_away", "form", a[:-1]),
            ("mac_of_all_of_it", "mac", whole[:36] + a[36:]),
            ("mac_cut", "form", a[:35]),
        )
    ]
    negatives.append(negative("in_another_ledger", "mac", partition=partition[:-4] + "test", sort=sort, row=a.hex()))
    return document("segment", "Segments of ledgers. See docs/formats.md, Segments.", positives, negatives)


def sealed_fields():
    key = {"tenant": drawn("tenant", 16).hex(), "key_id": "a1a2a3a4", "secret": drawn("data key", 32).hex()}
    data_key = DataKey(DEPLOYMENT, *(bytes.fromhex(key[name]) for name in ("tenant", "key_id", "secret")))
    place = ("shares#1", "grant", "/label")
    named = lambda place: dict(zip(("partition", "sort", "field"), place, strict=True))
    positives = []
    for name, where, value in (
        ("label", place, '"for Ada Lovelace"'.encode()),
        ("empty", ("a", "", ""), b""),
        ("fills_a_step", place, b"x" * 28),
        ("zeros_at_its_end", place, bytes(29)),
        ("other_letters", ("ténant#1", "grant", "/metadata/a~1b"), '"日本"'.encode()),
    ):
        salt, iv = drawn(f"field {name} salt", 32), drawn(f"field {name} iv", 12)
        text = base64url(data_key.seal(where, salt, iv, value))
        inputs = {"salt": salt.hex(), "iv": iv.hex(), "value": value.hex()}
        positives.append({"name": name, **named(where), **inputs, "text": text})

    value = b'"for Ada Lovelace"'
    a = data_key.seal(place, SALT, IV, value)
    b = data_key.seal(place, drawn("salt of b", 32), drawn("iv of b", 12), b'"for Bob Lovelace!"')

    def resealed(plaintext=None, **changed):
        at = {"tenant": data_key.tenant, "key_id": data_key.id, "secret": data_key.secret, "deployment": DEPLOYMENT}
        at |= changed
        key = DataKey(at["deployment"], at["tenant"], at["key_id"], at["secret"])
        if plaintext is None:
            return key.seal(place, SALT, IV, value)
        header = a[:FIELD_HEADER]
        cipher = AESGCM(expand(extract(SALT, key.secret), FIELD + "|key"))
        return header + cipher.encrypt(IV, plaintext, key.aad(header, place))

    def aad_of(fields):
        header = a[:FIELD_HEADER]
        padded = len(value).to_bytes(4, "big") + value
        padded += bytes(-len(padded) % 32)
        cipher = AESGCM(expand(extract(SALT, data_key.secret), FIELD + "|key"))
        return header + cipher.encrypt(
            IV, padded, fields(FIELD.encode(), header, DEPLOYMENT, *(p.encode() for p in place))
        )

    ends = {"version": (0, 1), "tenant": (1, 17), "key_id": (17, 21), "salt": (21, 53), "iv": (53, 65)}
    ends |= {"ciphertext": (65, len(a) - TAG), "tag": (len(a) - TAG, len(a))}
    checks = {"version": "version", "tenant": "key", "key_id": "key"}
    faults = [
        (f"bit_flipped_in_{part}", flipped(a, (begin + end) // 2), checks.get(part, "tag"))
        for part, (begin, end) in ends.items()
    ]
    faults += [
        ("spliced_header_of_a_body_of_b", a[:FIELD_HEADER] + b[FIELD_HEADER:], "tag"),
        ("salt_of_b", a[:21] + b[21:53] + a[53:], "tag"),
        ("iv_of_b", a[:53] + b[53:65] + a[65:], "tag"),
        ("tag_of_b", a[:-TAG] + b[-TAG:], "tag"),
        ("other_bits_under_the_same_key_id", resealed(secret=drawn("other bits", 32)), "tag"),
        ("same_bits_under_another_key_id", resealed(key_id=b"\xa1\xa2\xa3\xa5"), "key"),
        ("same_key_of_another_tenant", resealed(tenant=drawn("another tenant", 16)), "key"),
        ("deployment_swapped", resealed(deployment=OTHER_DEPLOYMENT), "tag"),
        ("length_beyond_the_end", resealed((29).to_bytes(4, "big") + bytes(28)), "contents"),
        ("no_room_for_a_length", resealed(b"\0\0\0"), "contents"),
        ("nothing_sealed", resealed(b""), "contents"),
        ("header_not_authenticated", aad_of(lambda label, header, *rest: frame(label, *rest)), "tag"),
        ("label_not_authenticated", aad_of(lambda label, *rest: frame(*rest)), "tag"),
        ("deployment_not_authenticated", aad_of(lambda label, header, _, *rest: frame(label, header, *rest)), "tag"),
        ("field_not_authenticated", aad_of(lambda *fields: frame(*fields[:-1])), "tag"),
        ("aad_without_lengths", aad_of(lambda *fields: b"".join(fields)), "tag"),
        ("truncated_by_one", a[:-1], "tag"),
        ("tag_cut_off", a[:-TAG], "tag"),
        ("header_alone", a[:FIELD_HEADER], "tag"),
        ("header_without_its_last_byte", a[: FIELD_HEADER - 1], "form"),
        ("extended_by_one", a + b"\0", "tag"),
    ]
    negatives = [negative(name, check, **named(place), text=base64url(data)) for name, data, check in faults]
    for name, where in (
        ("in_another_partition", ("shares#2", *place[1:])),
        ("in_another_row", (place[0], "state", place[2])),
        ("in_another_field", (*place[:2], "/message")),
        ("border_of_partition_and_sort_key_moved", ("shares#", "1grant", place[2])),
        ("border_of_sort_key_and_field_moved", (place[0], "grant/label", "")),
    ):
        negatives.append(negative(name, "tag", **named(where), text=base64url(a)))
    for name, text in spellings(base64url(a)):
        is_whole = name.startswith("character") and is_one_spelling(text)
        negatives.append(negative(name, "tag" if is_whole else "form", **named(place), text=text))
    description = "Sealed fields: one value of one row. See SECURITY.md, Personal data."
    return document("sealed-field", description, positives, negatives, data_key=key)


def kept_replies():
    asked = {
        "principal": "6b65795f31",
        "credential": "crk_live_" + base64url(drawn("credential", 32)),
        "idempotency_key": "order-17",
        "route": "POST /v1/shares",
        "body": b'{"paths":["a"]}'.hex(),
        "item": 0,
    }

    def with_marks(change):
        """As `Asked.seal` makes it, but for what `change` makes of the two marks."""
        root, asked_once = RING.secret(PRIMARY), of(asked)
        extracted = asked_once.extracted(root, SALT)
        marks = b"".join(change(*asked_once.commitments(extracted)))
        header = b"\x01" + PRIMARY + until.to_bytes(8, "big") + SALT + IV + marks
        aad = frame(REPLY.encode(), DEPLOYMENT, asked_once.place, header)
        return header + AESGCM(expand(extracted, REPLY + "|key")).encrypt(IV, b"the reply", aad)

    def of(inputs):
        values = [inputs[name] for name in ("principal", "credential", "idempotency_key", "route", "body", "item")]
        return Asked(bytes.fromhex(values[0]), *values[1:4], bytes.fromhex(values[4]), values[5])

    until = 1_790_086_400_000
    positives = []
    for name, inputs, reply in (
        ("with_a_credential", asked, b'{"id":"shr_1"}'),
        ("without_a_credential", asked | {"credential": ""}, b"x"),
        ("second_of_a_batch", asked | {"item": 1}, b""),
    ):
        salt, iv = drawn(f"reply {name} salt", 32), drawn(f"reply {name} iv", 12)
        kept = of(inputs).seal(RING, PRIMARY, until, salt, iv, reply)
        drawn_of = {"kid": PRIMARY.hex(), "salt": salt.hex(), "iv": iv.hex(), "kept_until_ms": until}
        made = {"reply": reply.hex(), "place": of(inputs).place.hex(), "kept": kept.hex()}
        positives.append({"name": name, "asked": inputs, **drawn_of, **made})

    a = of(asked).seal(RING, PRIMARY, until, SALT, IV, b"the reply")
    b = of(asked).seal(RING, PRIMARY, until, drawn("salt of b", 32), drawn("iv of b", 12), b"others' r")
    ends = {"version": (0, 1), "kid": (1, 5), "kept_until": (5, 13), "salt": (13, 45), "iv": (45, 57)}
    ends |= {
        "credential": (57, 89),
        "request": (89, 121),
        "ciphertext": (121, len(a) - TAG),
        "tag": (len(a) - TAG, len(a)),
    }
    checks = {
        "version": "version",
        "kid": "key",
        "salt": "credential",
        "credential": "credential",
        "request": "request",
    }
    faults = [
        (f"bit_flipped_in_{part}", flipped(a, (begin + end) // 2), checks.get(part, "tag"))
        for part, (begin, end) in ends.items()
    ]
    faults += [
        ("wrong_credential_mark", with_marks(lambda _, request: (bytes(32), request)), "credential"),
        ("wrong_request_mark", with_marks(lambda credential, _: (credential, bytes(32))), "request"),
        ("marks_swapped", with_marks(lambda credential, request: (request, credential)), "credential"),
        ("kid_of_another_key", a[:1] + OTHER + a[5:], "credential"),
        (
            "deployment_swapped",
            of(asked).seal(opening_all(OTHER_DEPLOYMENT), PRIMARY, until, SALT, IV, b"the reply"),
            "tag",
        ),
        ("spliced_header_of_a_body_of_b", a[:121] + b[121:], "tag"),
        ("commitments_of_b", a[:57] + b[57:121] + a[121:], "credential"),
        ("truncated_by_one", a[:-1], "tag"),
        ("header_alone", a[:121], "tag"),
        ("header_without_its_last_byte", a[:120], "form"),
        ("extended_by_one", a + b"\0", "tag"),
    ]
    negatives = [negative(name, check, asked=asked, kept=kept.hex()) for name, kept, check in faults]
    for name, changed, check in (
        ("of_another_credential", {"credential": asked["credential"][:-1] + "A"}, "credential"),
        ("of_no_credential", {"credential": ""}, "credential"),
        ("of_another_idempotency_key", {"idempotency_key": "order-18"}, "credential"),
        ("of_another_route", {"route": "POST /v1/links"}, "request"),
        ("of_another_body", {"body": b'{"paths":["b"]}'.hex()}, "request"),
        ("border_of_route_and_body_moved", {"route": "POST /v1/share", "body": b's{"paths":["a"]}'.hex()}, "request"),
        ("of_another_principal", {"principal": "6b65795f32"}, "tag"),
        ("of_another_item", {"item": 1}, "tag"),
    ):
        negatives.append(negative(name, check, asked=asked | changed, kept=a.hex()))
    description = "Replies kept for whoever asks again under an idempotency key. See docs/formats.md."
    return document("kept-reply", description, positives, negatives)


def documents():
    yield rows()
    yield segments()
    yield sealed_fields()
    yield kept_replies()
