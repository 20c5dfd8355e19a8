"""Makes presigned.json: signed requests as botocore signs them.

Run with botocore 1.39.14: python presigned.py > presigned.json
The clock is fixed and the credentials are invented.
"""

import base64
import datetime
import json
import os
from unittest import mock

# The signer written in Python, not the one in C: its clock can be fixed.
os.environ["BOTO_DISABLE_CRT"] = "true"

import botocore.auth
import botocore.session
import botocore.signers
from botocore.config import Config

SIGNED_AT = datetime.datetime(2026, 9, 21, 14, 13, 20, tzinfo=datetime.timezone.utc)
EXPIRES_IN = 600


class FixedClock(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return SIGNED_AT.replace(tzinfo=None)

    @classmethod
    def now(cls, tz=None):
        return SIGNED_AT.astimezone(tz) if tz else SIGNED_AT.replace(tzinfo=None)


PLACES = {
    "virtual": {"region": "eu-central-1", "endpoint": None, "path_style": False},
    "path": {"region": "us-west-2", "endpoint": None, "path_style": True},
    "custom": {"region": "us-east-1", "endpoint": "http://127.0.0.1:4566", "path_style": True},
}

KEYS = {
    "plain": "inbox/ten_" + "0" * 32 + "/live/" + "07" * 32,
    "unusual": "artifact/" + "ab" * 20 + "/a b/é+100%~(1)'日本.txt",
}

SHA256 = bytes(range(32))

# S3 promises nothing of how an upload id looks.
UPLOAD_ID = "2~aZ.b-c_d+e/f=&g h"


def client(place, session_token):
    session = botocore.session.Session()
    return session.create_client(
        "s3",
        region_name=place["region"],
        endpoint_url=place["endpoint"],
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        aws_session_token=session_token,
        config=Config(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            s3={
                "addressing_style": "path" if place["path_style"] else "virtual",
                # Ours never asks the endpoint of before there were regions.
                "us_east_1_regional_endpoint": "regional",
            },
        ),
    )


def vectors():
    for place_name, place in PLACES.items():
        for session_token in (None, "session+token/=="):
            s3 = client(place, session_token)
            for key_name, key in KEYS.items():
                for checksum in (None, SHA256):
                    common = {
                        **place,
                        "session_token": session_token,
                        "key": key,
                        "size": 1234,
                        "content_type": "text/plain; charset=utf-8",
                        "sha256": checksum.hex() if checksum else None,
                    }
                    encoded = base64.b64encode(checksum).decode() if checksum else None
                    name = "-".join(
                        (place_name, key_name, "token" if session_token else "long-term", "sum" if checksum else "bare")
                    )
                    parameters = {
                        "Bucket": "files",
                        "Key": key,
                        "ContentLength": 1234,
                        "ContentType": common["content_type"],
                        "IfNoneMatch": "*",
                    }
                    if encoded:
                        parameters["ChecksumSHA256"] = encoded
                    url = s3.generate_presigned_url("put_object", Params=parameters, ExpiresIn=EXPIRES_IN)
                    yield {"name": f"put-{name}", "method": "PUT", **common, "url": url}

                    parameters = {
                        "Bucket": "files",
                        "Key": key,
                        "ContentLength": 1234,
                        "PartNumber": 12,
                        "UploadId": UPLOAD_ID,
                    }
                    if encoded:
                        parameters["ChecksumSHA256"] = encoded
                    url = s3.generate_presigned_url("upload_part", Params=parameters, ExpiresIn=EXPIRES_IN)
                    yield {
                        "name": f"part-{name}",
                        "method": "PUT",
                        **common,
                        "part": {"number": 12, "upload": UPLOAD_ID},
                        "url": url,
                    }

                    if not key.isascii():
                        continue
                    fields = {"Content-Type": common["content_type"]}
                    if encoded:
                        fields["x-amz-checksum-algorithm"] = "SHA256"
                        fields["x-amz-checksum-sha256"] = encoded
                    conditions = [{field: value} for field, value in fields.items()]
                    conditions.append(["content-length-range", 1234, 1234])
                    post = s3.generate_presigned_post(
                        "files", key, Fields=fields, Conditions=conditions, ExpiresIn=EXPIRES_IN
                    )
                    yield {"name": f"post-{name}", "method": "POST", **common, **post}

                disposition = "attachment; filename=\"r_sum_.pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf"
                url = s3.generate_presigned_url(
                    "get_object",
                    Params={
                        "Bucket": "files",
                        "Key": key,
                        "ResponseContentDisposition": disposition,
                        "ResponseContentType": "application/pdf",
                    },
                    ExpiresIn=EXPIRES_IN,
                )
                yield {
                    "name": f"get-{place_name}-{key_name}-{'token' if session_token else 'long-term'}",
                    "method": "GET",
                    **place,
                    "session_token": session_token,
                    "key": key,
                    "content_type": "application/pdf",
                    "file_name": "résumé.pdf",
                    "url": url,
                }


def at_the_time(make):
    """What comes of this by the fixed clock."""
    with (
        mock.patch("botocore.auth.datetime.datetime", FixedClock),
        mock.patch("botocore.signers.datetime.datetime", FixedClock),
    ):
        return list(make())


if __name__ == "__main__":
    print(json.dumps(at_the_time(vectors), indent=1, ensure_ascii=False))
