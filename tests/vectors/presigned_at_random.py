"""Requests drawn at random, as botocore signs them: what tests/suite/objects/vectors.rs holds ours against.

    presigned_at_random.py SEED COUNT

prints so many times four of them, in the form of presigned.json: a PUT, one of a part, a form and a GET.
"""

import base64
import functools
import json
import random
import sys
import unicodedata

import presigned

REGIONS = ["us-east-1", "us-west-2", "eu-central-1", "eu-west-3", "ap-southeast-2", "sa-east-1", "me-south-1"]
ENDPOINTS = [None, None, "http://127.0.0.1:4566", "https://storage.example:9000", "https://s3.example"]
TOKENS = [None, None, "session+token/==", "FwoGZXIvYXdzE//////////wEaD" + "x" * 300 + "="]

TYPES = ["text", "image", "application", "x-ours"]
SUBTYPES = ["plain", "png", "vnd.ms-excel", "svg+xml", "x-!#$&^_`|~"]
PARAMETERS = ["", "", "; charset=utf-8", '; name="a \\"b\\" c"', ";a=1; b=(c)", "; x=%2F'*~"]

# Beside letters and digits what a path may have: no slash, no backslash, nothing that decodes to another path.
UNUSUAL = " !\"#$&'()*+,-.:;<=>?@[]^_`{|}~"
WIDE = "éàüßøñçŁžЖяשلआกあ漢字한🙂𝄞Ⅷ"
UPLOAD_ID = "abcXYZ019-._~+/=&?# %$"


def text(draw, letters, least, most):
    return "".join(draw.choice(letters) for _ in range(draw.randint(least, most)))


def segment(draw, letters):
    # Between letters, so that nothing is trimmed, and no segment is a dot.
    return "a" + text(draw, letters, 0, 20) + "z"


def path(draw, letters):
    made = "/".join(segment(draw, letters) for _ in range(draw.randint(1, 5)))
    return unicodedata.normalize("NFC", made)


@functools.cache
def client(region, endpoint, path_style, token):
    place = {"region": region, "endpoint": endpoint, "path_style": path_style}
    return presigned.client(place, token)


def requests(draw, number):
    region, endpoint, token = draw.choice(REGIONS), draw.choice(ENDPOINTS), draw.choice(TOKENS)
    path_style = endpoint is not None or draw.random() < 0.5
    s3 = client(region, endpoint, path_style, token)
    letters = "abcXYZ019" + UNUSUAL
    artifact = f"artifact/{draw.randbytes(20).hex()}/"
    sha256 = draw.randbytes(32) if draw.random() < 0.5 else None
    encoded = base64.b64encode(sha256).decode() if sha256 else None
    content_type = f"{draw.choice(TYPES)}/{draw.choice(SUBTYPES)}{draw.choice(PARAMETERS)}"
    size, expires_in = draw.randint(0, 5 << 30), draw.randint(1, 600)
    common = {
        "region": region,
        "endpoint": endpoint,
        "path_style": path_style,
        "session_token": token,
        "size": size,
        "content_type": content_type,
        "sha256": sha256.hex() if sha256 else None,
        "expires_in": expires_in,
    }

    key = artifact + path(draw, letters + WIDE)
    parameters = {"Bucket": "files", "Key": key, "ContentLength": size, "ContentType": content_type, "IfNoneMatch": "*"}
    if encoded:
        parameters["ChecksumSHA256"] = encoded
    url = s3.generate_presigned_url("put_object", Params=parameters, ExpiresIn=expires_in)
    yield {"name": f"put-{number}", "method": "PUT", **common, "key": key, "url": url}

    part = {"number": draw.randint(1, 10_000), "upload": text(draw, UPLOAD_ID, 1, 120).strip() or "x"}
    parameters = {
        "Bucket": "files",
        "Key": key,
        "ContentLength": size,
        "PartNumber": part["number"],
        "UploadId": part["upload"],
    }
    if encoded:
        parameters["ChecksumSHA256"] = encoded
    url = s3.generate_presigned_url("upload_part", Params=parameters, ExpiresIn=expires_in)
    yield {"name": f"part-{number}", "method": "PUT", **common, "key": key, "part": part, "url": url}

    # A form may have no variable in its key, and S3's policies are read as ASCII here.
    key = artifact + path(draw, letters.replace("$", ""))
    fields = {"Content-Type": content_type}
    if encoded:
        fields["x-amz-checksum-algorithm"] = "SHA256"
        fields["x-amz-checksum-sha256"] = encoded
    conditions = [{field: value} for field, value in fields.items()]
    conditions.append(["content-length-range", size, size])
    post = s3.generate_presigned_post("files", key, Fields=fields, Conditions=conditions, ExpiresIn=expires_in)
    yield {"name": f"post-{number}", "method": "POST", **common, "key": key, **post}

    key = artifact + path(draw, letters + WIDE)
    file_name = segment(draw, "abcXYZ019-._ +'()&;,=~")
    url = s3.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": "files",
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{file_name}"',
            "ResponseContentType": content_type,
        },
        ExpiresIn=expires_in,
    )
    yield {"name": f"get-{number}", "method": "GET", **common, "key": key, "file_name": file_name, "url": url}


def drawn(seed, count):
    draw = random.Random(seed)
    return presigned.at_the_time(lambda: (made for number in range(count) for made in requests(draw, number)))


if __name__ == "__main__":
    print(json.dumps(drawn(int(sys.argv[1]), int(sys.argv[2])), ensure_ascii=False))
