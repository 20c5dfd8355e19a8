"""Deploys a template of infra/ to an emulator.

    deploy.py stack  ENDPOINT TEMPLATE [NAME=VALUE ...]
    deploy.py bucket ENDPOINT TEMPLATE [NAME=VALUE ...]

`stack` hands the template to the emulator's CloudFormation. `bucket` is for an
emulator that has none: it reads the same template and makes its bucket and
bucket policy, each property by the call that sets it. A property that it does
not know is an error, never dropped. What is already there is left as it is.
"""

import json
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import template

DEADLINE_SECONDS = 60
FAILED = ("FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_IN_PROGRESS")


def main(how, endpoint, file, *parameters):
    given = dict(parameter.split("=", 1) for parameter in parameters)
    text = Path(file).read_text(encoding="utf-8")
    if how == "stack":
        deploy_stack(client("cloudformation", endpoint), f"cloakroom-{Path(file).stem}", text, given)
    elif how == "bucket":
        deploy_bucket(client("s3", endpoint), text, given)
    else:
        sys.exit(__doc__)


def client(service, endpoint):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"max_attempts": 2},
            proxies={},
            s3={"addressing_style": "path"},
        ),
    )


# --- by CloudFormation -------------------------------------------------------


def deploy_stack(cloudformation, name, text, given):
    try:
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=text,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        if status == "CREATE_COMPLETE":
            return
        if status.endswith(FAILED) or time.monotonic() > deadline:
            for event in reversed(cloudformation.describe_stack_events(StackName=name)["StackEvents"]):
                reason = event.get("ResourceStatusReason", "")
                print(event.get("LogicalResourceId"), event.get("ResourceStatus"), reason, file=sys.stderr)
            sys.exit(f"the stack {name} is {status}, not CREATE_COMPLETE")
        time.sleep(0.1)


# --- by the bucket's own calls -----------------------------------------------


def deploy_bucket(s3, text, given):
    read = template.load(text)
    try:
        known = template.parameters(read, given)
        resources = template.made(read, known)
        for logical, resource in resources.items():
            if resource["Type"] == "AWS::S3::Bucket":
                known[logical] = template.resolve(resource["Properties"]["BucketName"], known)
        for logical, resource in resources.items():
            deploy_part_of_bucket(s3, logical, resource["Type"], template.resolve(resource["Properties"], known))
    except template.Wrong as wrong:
        sys.exit(str(wrong))


def deploy_part_of_bucket(s3, logical, kind, properties):
    if kind == "AWS::S3::Bucket":
        make_bucket(s3, properties)
    elif kind == "AWS::S3::BucketPolicy":
        policy = json.dumps(properties["PolicyDocument"])
        s3.put_bucket_policy(Bucket=properties["Bucket"], Policy=policy)
    else:
        raise template.Wrong(f"{logical}: {kind} is not known here")


def make_bucket(s3, properties):
    bucket = properties.pop("BucketName")
    try:
        s3.create_bucket(Bucket=bucket, ObjectOwnership=ownership(properties.pop("OwnershipControls")))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    calls = {
        "PublicAccessBlockConfiguration": lambda value: s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=value
        ),
        "BucketEncryption": lambda value: s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [
                    renamed(rule, {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"})
                    for rule in value["ServerSideEncryptionConfiguration"]
                ]
            },
        ),
        "VersioningConfiguration": lambda value: s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration=value
        ),
        "LifecycleConfiguration": lambda value: s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [lifecycle_rule(rule) for rule in value["Rules"]]}
        ),
        "CorsConfiguration": lambda value: s3.put_bucket_cors(
            Bucket=bucket,
            CORSConfiguration={
                "CORSRules": [
                    renamed(rule, {"Id": "ID", "ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"})
                    for rule in value["CorsRules"]
                ]
            },
        ),
    }
    for name, value in properties.items():
        if name not in calls:
            sys.exit(f"the bucket's {name} is not known here: teach localstack/deploy.py the call that sets it")
        calls[name](value)


def ownership(controls):
    (rule,) = controls["Rules"]
    return rule["ObjectOwnership"]


def lifecycle_rule(rule):
    """CloudFormation's spelling of a rule in that of the API, which refuses what it does not know."""
    rule = renamed(rule, {"Id": "ID"})
    rule["Filter"] = {"Prefix": rule.pop("Prefix", "")}
    if "ExpirationInDays" in rule:
        rule["Expiration"] = {"Days": rule.pop("ExpirationInDays")}
    if "ExpiredObjectDeleteMarker" in rule:
        rule["Expiration"] = {"ExpiredObjectDeleteMarker": rule.pop("ExpiredObjectDeleteMarker")}
    return rule


def renamed(properties, names):
    return {names.get(name, name): value for name, value in properties.items()}


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
