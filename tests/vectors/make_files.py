"""Makes the vectors of files of tenants that lie sealed: see `make.py`.

Each negative has one fault and is right in all else, so that it is one check that has to refuse it, `refused_by`.
"""

import hashlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common import DEPLOYMENT, IV, OTHER_DEPLOYMENT, SALT, TENANT, TENANT_ID, document, drawn, flipped, negative
from sealing import (
    CHUNK,
    FIELD,
    FILE,
    FILE_HEAD,
    FILE_SAYS,
    OBJECT,
    SEALED_CHUNK,
    TAG,
    UPLOAD,
    DataKey,
    SealedFile,
    expand,
    extract,
    frame,
    part_says,
    typed,
)

KEY = {"tenant": TENANT.hex(), "key_id": "a1a2a3a4", "secret": drawn("data key", 32).hex()}
KEY_ID, SECRET = bytes.fromhex(KEY["key_id"]), bytes.fromhex(KEY["secret"])
DATA_KEY = DataKey(DEPLOYMENT, TENANT, KEY_ID, SECRET)

# No power of two: the beginning of one chunk is not that of another.
PATTERN = b"Ada & Bob, "
PLAIN, UNKNOWN = "text/plain; charset=utf-8", "application/octet-stream"


def repeated(size, pattern=PATTERN):
    return (pattern * (size // len(pattern) + 1))[:size]


class Positives:
    """What is right, and the files of objects as they are stored, by name."""

    def __init__(self):
        self.vectors, self.stored = [], {}

    def object(self, name, size, content_type):
        salt, iv = drawn(f"file {name} salt", 32), drawn(f"file {name} iv", 12)
        chunk_ivs = [drawn(f"file {name} iv of {number}", 12) for number in range((size + CHUNK - 1) // CHUNK)]
        content = repeated(size)
        stored = SealedFile(DATA_KEY, salt).seal_object(iv, chunk_ivs, content, content_type)
        vector = {
            "kind": "object",
            "name": name,
            "content": {"pattern": PATTERN.hex(), "size": size},
            "sha256": hashlib.sha256(content).hexdigest(),
            "content_type": content_type,
            "salt": salt.hex(),
            "iv": iv.hex(),
            "chunk_ivs": [chunk_iv.hex() for chunk_iv in chunk_ivs],
            "head": stored[:FILE_HEAD].hex(),
            "stored_length": len(stored),
            "stored_sha256": hashlib.sha256(stored).hexdigest(),
        }
        if len(stored) < 1024:
            vector["stored"] = stored.hex()
        self.vectors.append(vector)
        self.stored[name] = stored

    def upload(self, name, part_checksums, content_type, parts, slots):
        """`parts` are those that came: number, part size and size. There are so many slots."""
        key = f"inbox/{TENANT_ID}/live/{drawn(f'upload {name}', 32).hex()}"
        salt, iv = drawn(f"upload {name} salt", 32), drawn(f"upload {name} iv", 12)
        came = [(drawn(f"upload {name} iv of {number}", 12), part(number, *sizes)) for number, *sizes in parts]
        head = {"key": key, "part_checksums": part_checksums, "content_type": content_type}
        stored = SealedFile(DATA_KEY, salt).seal_upload(iv, *head.values(), slots, came)
        drawn_for = {"salt": salt.hex(), "iv": iv.hex(), "slots": slots}
        noted = [{"iv": part_iv.hex()} | says for part_iv, says in came]
        vector = {"kind": "upload", "name": name, **head, **drawn_for, "parts": noted, "stored": stored.hex()}
        self.vectors.append(vector)

    def piece(self, kind, name, number, plaintext):
        """A chunk or a note by itself."""
        salt, iv = drawn(f"{kind} {name} salt", 32), drawn(f"{kind} {name} iv", 12)
        sealed = SealedFile(DATA_KEY, salt).seal(kind.encode(), number, iv, plaintext)
        inputs = {"salt": salt.hex(), "number": number, "iv": iv.hex(), "plaintext": plaintext.hex()}
        self.vectors.append({"kind": kind, "name": name, **inputs, "sealed": sealed.hex()})


def part(number, part_size, size):
    return {"number": number, "part_size": part_size, "size": size, "sha256": drawn(f"part {number}", 32).hex()}


def object_says(content, content_type, size=None):
    size = len(content) if size is None else size
    says = size.to_bytes(8, "big") + hashlib.sha256(content).digest() + typed(content_type)
    return says.ljust(FILE_SAYS, b"\0")


def in_the_open(content, content_type):
    """What stands before the bytes where nothing is sealed."""
    header = (b"CLKROBJ\x01" + object_says(content, content_type)).ljust(FILE_HEAD - 32, b"\0")
    return header + hashlib.sha256(header).digest()


def of_another_key(**changed):
    """A file with the same salt, of another data key in one respect."""
    of = {"deployment": DEPLOYMENT, "tenant": TENANT, "key_id": KEY_ID, "secret": SECRET} | changed
    return SealedFile(DataKey(*of.values()), SALT)


OF_ANOTHER_KEY = {
    "deployment_swapped": of_another_key(deployment=OTHER_DEPLOYMENT),
    "same_key_of_another_tenant": of_another_key(tenant=drawn("another tenant", 16)),
    "same_bits_under_another_key_id": of_another_key(key_id=b"\xa1\xa2\xa3\xa5"),
    "other_bits_under_the_same_key_id": of_another_key(secret=drawn("other bits", 32)),
}


def bound_otherwise(what, number, plaintext):
    """Name of the fault and what was sealed with it, of anything that is sealed under the key of a file."""
    fields = {"label": FILE.encode(), "deployment": DEPLOYMENT, "tenant": TENANT, "key_id": KEY_ID, "what": what}
    fields |= {"number": number.to_bytes(8, "big")}

    def sealed(aad=frame(*fields.values()), salt=SALT, info=FILE + "|key"):
        return IV + AESGCM(expand(extract(salt, SECRET), info)).encrypt(IV, plaintext, aad)

    for left_out in fields:
        rest = [field for name, field in fields.items() if name != left_out]
        yield f"{left_out}_not_authenticated", sealed(frame(*rest))
    yield "nothing_authenticated", sealed(b"")
    yield "label_of_fields_in_aad_alone", sealed(frame(*(fields | {"label": FIELD.encode()}).values()))
    yield "number_in_4_bytes", sealed(frame(*(fields | {"number": number.to_bytes(4, "big")}).values()))
    yield "aad_without_lengths", sealed(b"".join(fields.values()))
    yield "salt_not_used", sealed(salt=b"")
    yield "key_of_a_field", sealed(info=FIELD + "|key")
    yield "label_of_the_key_without_its_end", sealed(info=FILE)


def head_faults(parts_head):
    """Name of the fault, the head, and the check that refuses it, of the head of an object."""
    content = repeated(20)
    says = object_says(content, PLAIN)
    file = SealedFile(DATA_KEY, SALT)
    a = file.seal_head(OBJECT, IV, says)
    b_says = object_says(content, UNKNOWN)
    b = SealedFile(DATA_KEY, drawn("salt of b", 32)).seal_head(OBJECT, drawn("iv of b", 12), b_says)
    ends = {"magic": (0, 8), "tenant": (8, 24), "key_id": (24, 28), "salt": (28, 60), "iv": (60, 72)}
    ends |= {"ciphertext": (72, FILE_HEAD - TAG), "tag": (FILE_HEAD - TAG, FILE_HEAD)}
    checks = {"magic": "magic", "tenant": "key", "key_id": "key"}
    for part, (begin, end) in ends.items():
        yield f"bit_flipped_in_{part}", flipped(a, (begin + end) // 2), checks.get(part, "tag")
    for part in ("salt", "iv", "ciphertext", "tag"):
        begin, end = ends[part]
        yield f"{part}_of_b", a[:begin] + b[begin:end] + a[end:], "tag"
    yield "spliced_beginning_of_a_rest_of_b", a[:60] + b[60:], "tag"

    yield "in_the_open", in_the_open(content, PLAIN), "magic"
    yield "magic_of_the_open_form", b"CLKROBJ\x01" + a[8:], "magic"
    yield "magic_of_a_later_version", file.seal_head(b"CLKROBJ\x03", IV, says), "magic"
    yield "head_of_an_upload", parts_head, "magic"
    yield "head_of_an_upload_under_this_magic", OBJECT + file.seal_head(UPLOAD, IV, says)[8:], "tag"

    for name, other in OF_ANOTHER_KEY.items():
        head = other.seal_head(OBJECT, IV, says)
        if head[:60] == a[:60]:
            yield name, head, "tag"
        else:
            yield name, head, "key"
            yield f"{name}_in_aad_alone", a[:60] + head[60:], "tag"
    for name, sealed in bound_otherwise(b"head" + OBJECT, 0, says):
        yield name, a[:60] + sealed, "tag"
    for name, what in (
        ("magic_not_authenticated", b"head"),
        ("chunk_as_a_head", b"chunk"),
        ("note_as_a_head", b"note"),
    ):
        yield name, a[:60] + file.seal(what, 0, IV, says), "tag"
    of_two = frame(*file.bound_to, b"head", OBJECT, bytes(8))
    yield "magic_as_a_field_of_its_own", a[:60] + IV + AESGCM(file.key).encrypt(IV, says, of_two), "tag"
    yield "under_another_number", a[:60] + file.seal(b"head" + OBJECT, 1, IV, says), "tag"

    yield "nothing", b"", "form"
    yield "without_what_is_sealed", a[:60], "form"
    yield "tag_cut_off", a[:-TAG], "form"
    yield "truncated_by_one", a[:-1], "form"
    yield "extended_by_one", a + b"\0", "form"
    yield "says_one_byte_less", a[:60] + file.seal(b"head" + OBJECT, 0, IV, says[:-1]), "form"
    yield "says_one_byte_more", a[:60] + file.seal(b"head" + OBJECT, 0, IV, says + b"\0"), "form"


def piece_faults(kind, number, plaintext):
    """Name of the fault, what is sealed, and the check that refuses it, of a chunk or note with this number."""
    what, other_kind = kind.encode(), {"chunk": "note", "note": "chunk"}[kind]
    file = SealedFile(DATA_KEY, SALT)
    a = file.seal(what, number, IV, plaintext)
    # At the same place of the same file, before or after it.
    b = file.seal(what, number, drawn("iv of b", 12), bytes(byte ^ 1 for byte in plaintext))
    ends = {"iv": (0, 12), "ciphertext": (12, len(a) - TAG), "tag": (len(a) - TAG, len(a))}
    for part, (begin, end) in ends.items():
        yield f"bit_flipped_in_{part}", flipped(a, (begin + end) // 2), "tag"
        yield f"{part}_of_b", a[:begin] + b[begin:end] + a[end:], "tag"

    yield "of_another_file", SealedFile(DATA_KEY, drawn("salt of b", 32)).seal(what, number, IV, plaintext), "tag"
    for name, other in OF_ANOTHER_KEY.items():
        yield name, other.seal(what, number, IV, plaintext), "tag"
    yield f"{other_kind}_as_a_{kind}", file.seal(other_kind.encode(), number, IV, plaintext), "tag"
    yield f"head_as_a_{kind}", file.seal(b"head" + OBJECT, number, IV, plaintext), "tag"
    yield "what_in_another_spelling", file.seal(kind.capitalize().encode(), number, IV, plaintext), "tag"
    for name, other in (
        ("sealed_under_number_0", 0),
        ("sealed_under_the_number_before", number - 1),
        ("sealed_under_the_number_after", number + 1),
        ("number_with_one_more_bit_in_its_upper_half", number + 2**32),
        ("number_with_its_bytes_in_the_other_order", number << 56),
    ):
        yield name, file.seal(what, other, IV, plaintext), "tag"
    for name, sealed in bound_otherwise(what, number, plaintext):
        yield name, sealed, "tag"

    yield "nothing", b"", "form"
    yield "iv_cut", a[:11], "form"
    yield "iv_alone", a[:12], "tag"
    yield "tag_alone", a[:12] + a[-TAG:], "tag"
    yield "tag_cut_off", a[:-TAG], "tag"
    yield "truncated_by_one", a[:-1], "tag"
    yield "first_byte_taken_away", a[1:], "tag"
    yield "extended_by_one", a + b"\0", "tag"


def object_faults(stored):
    """Name of the fault, the pieces of which the file is made, and the check that refuses it."""
    name = "several_chunks_of_which_the_last_is_short"
    length, file = len(stored[name]), SealedFile(DATA_KEY, stored[name][28:60])
    content = repeated(2 * CHUNK + 1000)
    begins = [FILE_HEAD + SEALED_CHUNK * number for number in range(3)] + [length]
    whole, head = [name, 0, length], [name, 0, FILE_HEAD]
    chunk = [[name, begins[number], begins[number + 1]] for number in range(3)]
    at_the_same_place = lambda other: [[other, FILE_HEAD, FILE_HEAD + SEALED_CHUNK]]

    def with_size(size):
        """The head of the same file, but for how long it says that the object is."""
        return [file.seal_head(OBJECT, IV, object_says(content, UNKNOWN, size)).hex(), *chunk]

    yield "nothing", [], "form"
    yield "head_cut", [[name, 0, FILE_HEAD - 1]], "form"
    yield "without_a_head", [*chunk], "magic"
    yield "head_alone", [head], "length"
    yield "truncated_by_one", [[name, 0, length - 1]], "length"
    yield "extended_by_one", [whole, "00"], "length"
    yield "last_chunk_taken_away", [head, *chunk[:2]], "length"
    yield "last_chunk_cut_to_28_bytes", [[name, 0, begins[2]], [name, begins[2], begins[2] + 28]], "length"
    yield "first_chunk_taken_away", [head, *chunk[1:]], "length"
    yield "last_chunk_again", [whole, chunk[2]], "length"
    yield "first_chunk_again_at_the_end", [whole, chunk[0]], "length"
    yield "empty_chunk_added", [whole, file.seal(b"chunk", 3, IV, b"").hex()], "length"
    for size, fault in (
        (0, "head_says_nothing_is_there"),
        (len(content) - 1, "head_says_one_byte_less"),
        (len(content) + 1, "head_says_one_byte_more"),
        (2 * CHUNK, "head_says_one_chunk_less"),
        (2**64 - 1, "head_says_more_than_can_be"),
    ):
        yield fault, with_size(size), "length"
    yield "first_two_chunks_swapped", [head, chunk[1], chunk[0], chunk[2]], "tag"
    yield "first_chunk_in_the_place_of_the_second", [head, chunk[0], chunk[0], chunk[2]], "tag"
    yield "short_chunk_before_the_long_ones", [head, chunk[2], chunk[0], chunk[1]], "tag"
    yield "chunk_of_another_file", [head, *at_the_same_place("several_whole_chunks"), *chunk[1:]], "tag"
    yield "zeros_in_the_place_of_a_chunk", [[name, 0, begins[2]], bytes(length - begins[2]).hex()], "tag"
    yield "head_of_another_file", [["one_chunk_again", 0, FILE_HEAD], *at_the_same_place("exactly_one_chunk")], "tag"


def sealed_files():
    positives = Positives()
    positives.object("empty", 0, UNKNOWN)
    positives.object("one_short_chunk", 20, PLAIN)
    positives.object("one_byte", 1, "text/" + "x" * 250)
    positives.object("exactly_one_chunk", CHUNK, UNKNOWN)
    positives.object("one_chunk_again", CHUNK, UNKNOWN)
    positives.object("one_byte_more_than_a_chunk", CHUNK + 1, PLAIN)
    positives.object("several_whole_chunks", 2 * CHUNK, UNKNOWN)
    positives.object("several_chunks_of_which_the_last_is_short", 2 * CHUNK + 1000, UNKNOWN)
    part_size = 5 * 1024 * 1024
    positives.upload("no_part_yet", False, UNKNOWN, [], 0)
    positives.upload("one_part", False, PLAIN, [(1, 1000, 1000)], 1)
    positives.upload("second_part_not_yet", True, UNKNOWN, [(1, part_size, part_size), (3, part_size, 7)], 3)
    positives.piece("chunk", "first", 0, repeated(20))
    positives.piece("chunk", "far_on", 0x01020304, repeated(20))
    positives.piece("note", "of_the_last_part_that_can_be", 10_000, part_says(part(10_000, part_size, 7)))

    parts_head = SealedFile(DATA_KEY, SALT).seal_head(UPLOAD, IV, bytes(33) + typed(PLAIN))
    negatives = [
        negative(name, check, kind="head", magic=OBJECT.hex(), head=head.hex())
        for name, head, check in head_faults(parts_head)
    ]
    a = SealedFile(DATA_KEY, SALT).seal_head(OBJECT, IV, object_says(repeated(20), PLAIN))
    for name, head, check in (
        ("head_of_an_object_as_one_of_an_upload", a, "magic"),
        ("head_of_an_object_under_the_magic_of_an_upload", UPLOAD + a[8:], "tag"),
        ("magic_of_an_earlier_version_of_uploads", b"CLKRPRT\x01" + parts_head[8:], "magic"),
    ):
        negatives.append(negative(name, check, kind="head", magic=UPLOAD.hex(), head=head.hex()))
    for kind, number, plaintext in (
        ("chunk", 3, repeated(20)),
        ("note", 3, part_says(part(3, part_size, 7))),
    ):
        for name, sealed, check in piece_faults(kind, number, plaintext):
            presented = {"salt": SALT.hex(), "number": number, "sealed": sealed.hex()}
            negatives.append(negative(name, check, kind=kind, **presented))
    for name, pieces, check in object_faults(positives.stored):
        negatives.append(negative(name, check, kind="object", pieces=pieces))
    description = "Files of tenants, sealed. See docs/formats.md, Sealed files."
    return document("sealed-file", description, positives.vectors, negatives, data_key=KEY)


def documents():
    yield sealed_files()
