"""Verifies every vector with the formats as `sealing` and `vouching` have them from their description.

What is right opens and says what it should; what is wrong is refused, and by the check that it is about. Run by ./test:
python -m unittest discover --start-directory tests/vectors
"""

import base64
import hashlib
import json
import pathlib
import unittest

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

import make
import sealing
import vouching
from sealing import Refused, require

HERE = pathlib.Path(__file__).parent

TOKENS = {
    "share-token": sealing.open_share_token,
    "session-token": sealing.open_session_token,
    "move-token": sealing.open_move_token,
    "submission-token": sealing.open_submission_token,
    "signing-in": sealing.open_signing_in,
}
WRAPPED = {"data-key": sealing.open_data_key, "encrypted-data-key": sealing.open_encrypted_data_key}


def raw(pem):
    return load_pem_public_key(pem.encode()).public_bytes(Encoding.Raw, PublicFormat.Raw)


class File:
    """A file of vectors."""

    def __init__(self, name):
        self.all = json.loads((HERE / f"{name}.json").read_text())
        self.deployment = sealing.Deployment(self.all)
        self.positives, self.negatives = self.all["positives"], self.all["negatives"]

    def data_key(self):
        key = self.all["data_key"]
        parts = (bytes.fromhex(key[name]) for name in ("tenant", "key_id", "secret"))
        return sealing.DataKey(self.deployment.id, *parts)


def place_of(vector):
    return vector["partition"], vector["sort"], vector["field"]


def asked_of(vector):
    asked = vector["asked"]
    texts = (asked[name] for name in ("credential", "idempotency_key", "route"))
    return sealing.Asked(bytes.fromhex(asked["principal"]), *texts, bytes.fromhex(asked["body"]), asked["item"])


def sealed_file_of(file, vector):
    return sealing.SealedFile(file.data_key(), bytes.fromhex(vector["salt"]))


def object_of(file, vector):
    """The bytes of an object, and its file."""
    pattern, size = bytes.fromhex(vector["content"]["pattern"]), vector["content"]["size"]
    content = (pattern * (size // len(pattern) + 1))[:size]
    ivs = [bytes.fromhex(iv) for iv in (vector["iv"], *vector["chunk_ivs"])]
    return content, sealed_file_of(file, vector).seal_object(ivs[0], ivs[1:], content, vector["content_type"])


def put_together(file, pieces):
    """Bytes as they are, and from where to where in the files of objects that are right."""
    objects = {vector["name"]: vector for vector in file.positives if vector["kind"] == "object"}
    given = lambda piece: bytes.fromhex(piece) if isinstance(piece, str) else taken(*piece)
    taken = lambda name, begin, end: object_of(file, objects[name])[1][begin:end]
    return b"".join(given(piece) for piece in pieces)


class Vectors(unittest.TestCase):
    def verify(self, name, positives, negatives, opens, presented):
        """Each positive opens as `opens` says, each negative is refused as it says itself."""
        file = File(name)
        # A file that lost its vectors must not pass.
        self.assertEqual((len(file.positives), len(file.negatives)), (positives, negatives), name)
        for which in (file.positives, file.negatives):
            self.assertEqual(len({(v["name"], v.get("purpose"), v.get("kind")) for v in which}), len(which), name)
        for vector in file.positives:
            with self.subTest(name, positive=vector["name"]):
                opens(file, vector)
        for vector in file.negatives:
            with self.subTest(name, negative=vector["name"]):
                with self.assertRaises(Refused) as refused:
                    presented(file, vector)
                self.assertEqual(refused.exception.check, vector["refused_by"])
                if "first_bad" in vector:
                    self.assertEqual(refused.exception.seq, vector["first_bad"])

    def test_files_are_those_that_are_made(self):
        made = dict(make.files())
        for name, text in made.items():
            self.assertEqual((HERE / name).read_text(), text, name)
        self.assertEqual({path.name for path in HERE.glob("*.json")}, {*made, "presigned.json"})

    def test_sealed_tokens_of_every_purpose(self):
        def opens(file, v):
            plaintext = bytes.fromhex(v["plaintext"])
            drawn = (bytes.fromhex(v[name]) for name in ("kid", "salt", "iv"))
            sealed = sealing.base64url(sealing.seal(file.deployment, v["purpose"], *drawn, plaintext))
            self.assertEqual(sealed, v["text"])
            self.assertEqual(sealing.open_sealed(file.deployment, v["purpose"], v["text"]), plaintext)

        presented = lambda file, v: sealing.open_sealed(file.deployment, v["purpose"], v["text"])
        self.verify("sealed-token", 16, 92, opens, presented)

    def test_tokens_with_a_form_of_their_own(self):
        counts = {
            "share-token": (4, 59),
            "session-token": (2, 56),
            "move-token": (2, 55),
            "submission-token": (2, 56),
            "signing-in": (2, 50),
        }
        for name, opened in TOKENS.items():
            opens = lambda file, v, opened=opened: self.assertEqual(opened(file.deployment, v["text"]), v["contents"])
            self.verify(name, *counts[name], opens, lambda file, v, opened=opened: opened(file.deployment, v["text"]))

    def test_wrapped_keys(self):
        for name, counts in {"data-key": (1, 54), "encrypted-data-key": (1, 52)}.items():

            def presented(file, v, opened=WRAPPED[name]):
                tenant = file.positives[0]["contents"]["tenant"]
                return opened(file.deployment, v["text"], bytes.fromhex(tenant)) | {"tenant": tenant}

            opens = lambda file, v: self.assertEqual(presented(file, v), v["contents"])
            self.verify(name, *counts, opens, presented)

    def test_fields(self):
        def opens(file, v):
            value, salt, iv = (bytes.fromhex(v[name]) for name in ("value", "salt", "iv"))
            self.assertEqual(sealing.base64url(file.data_key().seal(place_of(v), salt, iv, value)), v["text"])
            self.assertEqual(file.data_key().open(place_of(v), v["text"]), value)

        presented = lambda file, v: file.data_key().open(place_of(v), v["text"])
        self.verify("sealed-field", 5, 41, opens, presented)

    def test_files(self):
        def opens_object(file, v):
            content, stored = object_of(file, v)
            self.assertEqual(hashlib.sha256(content).hexdigest(), v["sha256"])
            self.assertEqual(stored[: sealing.FILE_HEAD].hex(), v["head"])
            self.assertEqual(len(stored), v["stored_length"])
            self.assertEqual(hashlib.sha256(stored).hexdigest(), v["stored_sha256"])
            self.assertEqual(v.get("stored", stored.hex()), stored.hex())
            said = content, bytes.fromhex(v["sha256"]), v["content_type"]
            self.assertEqual(sealing.open_object(file.data_key(), stored), said)

        def opens_upload(file, v):
            says = [v[name] for name in ("key", "part_checksums", "content_type", "slots")]
            parts = [(bytes.fromhex(part["iv"]), part) for part in v["parts"]]
            stored = sealed_file_of(file, v).seal_upload(bytes.fromhex(v["iv"]), *says, parts)
            self.assertEqual(stored.hex(), v["stored"])
            parts = [{name: said for name, said in part.items() if name != "iv"} for part in v["parts"]]
            said = hashlib.sha256(v["key"].encode()).digest(), v["part_checksums"], v["content_type"], parts
            self.assertEqual(sealing.open_upload(file.data_key(), stored), said)

        def opens_piece(file, v):
            iv, plaintext = bytes.fromhex(v["iv"]), bytes.fromhex(v["plaintext"])
            sealed = sealed_file_of(file, v).seal(v["kind"].encode(), v["number"], iv, plaintext)
            self.assertEqual(sealed.hex(), v["sealed"])
            self.assertEqual(open_piece(file, v), plaintext)

        def open_piece(file, v):
            return sealed_file_of(file, v).open(v["kind"].encode(), v["number"], bytes.fromhex(v["sealed"]))

        def open_head(file, v):
            sealing.open_head(file.data_key(), bytes.fromhex(v["magic"]), bytes.fromhex(v["head"]))

        def open_object(file, v):
            sealing.open_object(file.data_key(), put_together(file, v["pieces"]))

        opens = {"object": opens_object, "upload": opens_upload, "chunk": opens_piece, "note": opens_piece}
        presented = {"object": open_object, "head": open_head, "chunk": open_piece, "note": open_piece}
        of_kind = lambda cases: lambda file, v: cases[v["kind"]](file, v)
        self.verify("sealed-file", 14, 154, of_kind(opens), of_kind(presented))

    def test_kept_replies(self):
        def opens(file, v):
            asked = asked_of(v)
            kid, salt, iv, reply, kept = (bytes.fromhex(v[name]) for name in ("kid", "salt", "iv", "reply", "kept"))
            self.assertEqual(asked.seal(file.deployment, kid, v["kept_until_ms"], salt, iv, reply), kept)
            self.assertEqual(asked.open(file.deployment, kept), (v["kept_until_ms"], reply))
            self.assertEqual(asked.place.hex(), v["place"])

        presented = lambda file, v: asked_of(v).open(file.deployment, bytes.fromhex(v["kept"]))
        self.verify("kept-reply", 3, 28, opens, presented)

    def test_rows(self):
        def opens(file, v):
            kid, body, row = (bytes.fromhex(v[name]) for name in ("kid", "body", "row"))
            place = v["partition"], v["sort"]
            self.assertEqual(vouching.authenticate_row(file.deployment, kid, *place, body), row)
            self.assertEqual(vouching.authentic_row(file.deployment, *place, row), body)

        def presented(file, v):
            vouching.authentic_row(file.deployment, v["partition"], v["sort"], bytes.fromhex(v["row"]))

        self.verify("row-mac", 3, 15, opens, presented)

    def test_segments(self):
        def opens(file, v):
            kid, row = (bytes.fromhex(v[name]) for name in ("kid", "row"))
            place = v["partition"], v["sort"]
            self.assertEqual(vouching.authenticate_segment(file.deployment, kid, *place, row[36:]), row)
            self.assertEqual(vouching.segment_records(file.deployment, *place, row), (int(v["sort"], 16), v["records"]))

        def presented(file, v):
            vouching.segment_records(file.deployment, v["partition"], v["sort"], bytes.fromhex(v["row"]))

        self.verify("segment", 2, 16, opens, presented)

    def test_opaque_tokens(self):
        def opens(_, v):
            self.assertEqual(vouching.OPAQUE[v["kind"]] + sealing.base64url(bytes.fromhex(v["random"])), v["text"])
            self.assertEqual(vouching.stored_hash(v["kind"], v["text"]), v["stored"])

        self.verify("opaque-token", 5, 65, opens, lambda _, v: vouching.stored_hash(v["kind"], v["text"]))

    def test_claim_keys(self):
        def opens(_, v):
            key, claimed = vouching.claim_key(v["text"]), bytes.fromhex(v["claimed"])
            self.assertEqual(sealing.base64url(vouching.claim_hash(key, claimed)), v["claim_hash"])
            self.assertEqual(vouching.session_id(key, claimed).hex(), v["session"])

        self.verify("claim-key", 1, 7, opens, lambda _, v: vouching.claim_key(v["text"]))

    def test_csrf_tokens(self):
        right = lambda _, v: require(vouching.csrf_token(v["secret"]) == v["token"], "mac")
        self.verify("csrf-token", 1, 7, right, right)

    def test_marks_of_recipients(self):
        def key(file):
            of = file.positives[0]
            parts = (bytes.fromhex(of[name]) for name in ("kid", "tenant", "thing"))
            return vouching.RecipientKey(file.deployment, *parts)

        def opens(file, v):
            self.assertEqual(key(file).list(v["addresses"]), v["list"])
            self.assertEqual([key(file).recipient(address) for address in v["addresses"]], v["recipients"])
            presented(file, v)

        def presented(file, v):
            require(key(file).code(v["code_of"], v["code"]) == v["code_mark"], "mac")

        self.verify("recipient-mark", 1, 9, opens, presented)

    def test_how_persons_are_found(self):
        def opens(file, v):
            key, person = file.data_key(), (v["issuer"], v["subject"])
            by_address = vouching.lookup_hash(key, "data-subject|address", v["address"])
            by_user = vouching.lookup_hash(key, "data-subject|user", *person)
            self.assertEqual(vouching.lookup_hash(key, "user", *person).hex(), v["user"])
            self.assertEqual(by_address.hex()[:32], v["data_subject_by_address"])
            self.assertEqual(by_user.hex()[:32], v["data_subject_by_user"])

        self.verify("lookup-hash", 1, 0, opens, None)

    def test_hashes_of_grants(self):
        opens = lambda _, v: self.assertEqual(vouching.grant_hash(v["grant"]).hex(), v["hash"])
        self.verify("grant-hash", 11, 0, opens, None)
        self.assertEqual(len({v["hash"] for v in File("grant-hash").positives}), 11)

    def test_ledgers(self):
        def opens(file, v):
            of = v["tenant"], v["mode"]
            self.assertEqual(vouching.ledger_beginning(file.deployment.id, *of), v["beginning"])
            for record in v["records"]:
                self.assertEqual(vouching.record_hash(record["text"]), record["hash"])
            texts = [record["text"] for record in v["records"]]
            vouching.follow_ledger(file.deployment.id, *of, texts, v["head"])

        def presented(file, v):
            vouching.follow_ledger(file.deployment.id, v["tenant"], v["mode"], v["records"], v["head"])

        self.verify("ledger", 2, 18, opens, presented)

    def test_commitments_to_clients(self):
        def right(_, v):
            found = vouching.client_commitment(bytes.fromhex(v["salt"]), v["client"])
            require(found == v["commitment"], "commitment")

        self.verify("client-commitment", 2, 4, right, right)

    def test_checkpoints(self):
        def opens(file, v):
            key = vouching.public_half(bytes.fromhex(v["seed"]))
            self.assertEqual(key, raw(v["public_key_pem"]))
            self.assertEqual(vouching.ledger_origin(file.deployment.id, v["tenant"], v["mode"]), v["origin"])
            said = {name: v[name] for name in ("size", "head", "at_seconds")}
            self.assertEqual(vouching.open_checkpoint(v["note"], v["origin"], key), said)
            self.assertEqual(vouching.signing_key_id(key), v["key_id"])
            encoded = base64.b64encode(b"\x01" + key).decode()
            key_hash = vouching.note_key_hash(v["origin"], key).hex()
            self.assertEqual(f"{v['origin']}+{key_hash}+{encoded}", v["verifier_key"])

        presented = lambda _, v: vouching.open_checkpoint(v["note"], v["origin"], raw(v["public_key_pem"]))
        self.verify("checkpoint", 1, 21, opens, presented)

    def test_receipts(self):
        def opens(file, v):
            seed = vouching.receipt_seed(file.deployment, bytes.fromhex(v["kid"]), v["tenant"])
            self.assertEqual(vouching.pem(vouching.public_half(seed)), v["public_key_pem"])
            self.assertEqual(vouching.sign_ed25519(seed, v["payload"].encode()).hex(), v["signature"])
            self.assertEqual(presented(file, v), json.loads(v["payload"]))

        presented = lambda _, v: vouching.open_receipt(v["receipt"], raw(v["public_key_pem"]))
        self.verify("receipt", 1, 14, opens, presented)

    def test_edge_cookies(self):
        def presented(file, v):
            key = file.all["key"]
            of = key["key_pair_id"], key["public_key_pem"]
            return vouching.admitted_until(v["cookies"], *of, v["origin"], v["now"])

        opens = lambda file, v: self.assertEqual(presented(file, v), v["until_seconds"])
        self.verify("edge-cookie", 1, 21, opens, presented)

    def test_webhooks(self):
        def message(v):
            return v["secret"], v["id"], v["timestamp"], v["body"].encode()

        opens = lambda _, v: self.assertEqual(vouching.webhook_signature(*message(v)), v["signature"])
        presented = lambda _, v: vouching.verify_webhook(*message(v), v["signatures"], v["now"])
        self.verify("webhook-signature", 4, 17, opens, presented)
