"""Deploys a template of infra/ to an emulator.

    deploy.py stack  ENDPOINT TEMPLATE [NAME=VALUE ...]
    deploy.py bucket ENDPOINT TEMPLATE [NAME=VALUE ...]

`stack` hands the template to the emulator's CloudFormation. `bucket` is for an
emulator that has none: it reads the same template and makes its bucket and
bucket policy, each property by the call that sets it. A property that it does
not know is an error, never dropped. What is already there is left as it is.
"""

import json
import re
import sys
import time
from pathlib import Path

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

DEADLINE_SECONDS = 60
FAILED = ("FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_IN_PROGRESS")


def main(how, endpoint, template, *parameters):
    given = dict(parameter.split("=", 1) for parameter in parameters)
    text = Path(template).read_text(encoding="utf-8")
    if how == "stack":
        deploy_stack(client("cloudformation", endpoint), f"cloakroom-{Path(template).stem}", text, given)
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


class Tag(dict):
    """A short form such as !Ref, read as {"Ref": ...}."""


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return Tag({suffix: loader.construct_scalar(node)})
    raise ValueError(f"!{suffix} of a list or a map is not known here")


Loader.add_multi_constructor("!", short_form)


def deploy_bucket(s3, text, given):
    # Safe: our Loader is a SafeLoader.
    template = yaml.load(text, Loader)
    known = parameters(template, given)
    resources = template["Resources"]
    names = {}
    for logical, resource in resources.items():
        if resource["Type"] == "AWS::S3::Bucket":
            names[logical] = resolve(resource["Properties"]["BucketName"], known)
    known |= names
    for logical, resource in resources.items():
        properties = resolve(resource["Properties"], known)
        if resource["Type"] == "AWS::S3::Bucket":
            make_bucket(s3, properties)
        elif resource["Type"] == "AWS::S3::BucketPolicy":
            policy = json.dumps(properties["PolicyDocument"])
            s3.put_bucket_policy(Bucket=properties["Bucket"], Policy=policy)
        else:
            sys.exit(f"{logical}: {resource['Type']} is not known here")


def parameters(template, given):
    known = {"AWS::Partition": "aws"}
    for name, parameter in template["Parameters"].items():
        value = given.pop(name, parameter.get("Default"))
        if value is None:
            sys.exit(f"the template wants a value for {name}")
        pattern = parameter.get("AllowedPattern")
        is_list = parameter["Type"] == "CommaDelimitedList"
        for each in value.split(",") if is_list else [str(value)]:
            if pattern and not re.fullmatch(pattern, each):
                sys.exit(f"{name}: {each} is not what the template allows")
        known[name] = value.split(",") if is_list else value
    if given:
        sys.exit(f"the template has no parameter {', '.join(given)}")
    return known


def resolve(value, known):
    """The value with every !Ref and !Sub replaced by what it stands for."""
    match value:
        case Tag():
            ((function, argument),) = value.items()
            if function == "Ref":
                return known[argument]
            if function == "Sub":
                return re.sub(r"\$\{([^}]+)\}", lambda name: str(known[name[1]]), argument)
            raise ValueError(f"!{function} is not known here")
        case dict():
            return {key: resolve(each, known) for key, each in value.items()}
        case list():
            return [resolve(each, known) for each in value]
        case _:
            return value


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
