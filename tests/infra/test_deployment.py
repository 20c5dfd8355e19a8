"""Every template is deployed, in the order and with the outputs that docs/operations.md tells.

MiniStack's CloudFormation takes it as far as it knows the resources. What it does
not know is listed here and taken out first; the list is held to what it says
itself. What it knows and ignores (TTL, point-in-time recovery, encryption, …) is
held on the template, by test_promises.
"""

import json
import os
import unittest
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from stacks import GIVEN, INFRA, REGION, names, resources, template, text

# Types that MiniStack 1.5.33 does not have.
NOT_KNOWN = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudFront::KeyGroup",
    "AWS::CloudFront::PublicKey",
    "AWS::CloudTrail::Trail",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::Backup::BackupSelection",
    "AWS::Logs::Delivery",
    "AWS::Logs::DeliveryDestination",
    "AWS::Logs::DeliverySource",
    "AWS::WAFv2::LoggingConfiguration",
}

# It knows alarms, and none with an expression.
NOT_TAKEN = {"ErrorRate"}

SUFFIX = uuid.uuid4().hex[:8]


def client(service):
    return boto3.client(
        service,
        endpoint_url=os.environ["CLOAKROOM_TEST_MINISTACK_ENDPOINT"],
        region_name=REGION,
        config=Config(retries={"max_attempts": 1}, proxies={}, s3={"addressing_style": "path"}),
    )


def long_form(value):
    """Short forms as JSON spells them."""
    match value:
        case template.Tag():
            ((function, argument),) = value.items()
            if function == "GetAtt":
                return {"Fn::GetAtt": argument.split(".", 1)}
            return {function if function == "Ref" else f"Fn::{function}": long_form(argument)}
        case dict():
            return {key: long_form(each) for key, each in value.items()}
        case list():
            return [long_form(each) for each in value]
        case _:
            return value


def unrecognized(read):
    """Which types of the template MiniStack says it does not know."""
    try:
        client("cloudformation").validate_template(TemplateBody=json.dumps(long_form(read), default=str))
    except ClientError as refused:
        message = refused.response["Error"]["Message"]
        if "Unrecognized resource types" not in message:
            raise
        return {kind.strip(" '\"") for kind in message.split("[", 1)[1].split("]", 1)[0].split(",")}
    return set()


def deployable(name):
    """The template without what is not known, and without what speaks of that."""
    read = template.load(text(name))
    gone = {logical for logical, each in read["Resources"].items() if each["Type"] in NOT_KNOWN} | NOT_TAKEN
    read["Resources"] = {logical: each for logical, each in read["Resources"].items() if logical not in gone}
    return without(long_form(read), gone)


def speaks_of(value, gone):
    match value:
        case {"Ref": name}:
            return name in gone
        case {"Fn::GetAtt": [name, _]}:
            return name in gone
        case {"Fn::Sub": str() as pattern}:
            return any(f"${{{name}}}" in pattern or f"${{{name}." in pattern for name in gone)
        case _:
            return False


def without(value, gone):
    match value:
        case dict():
            kept = {key: each for key, each in value.items() if not whole(each, gone)}
            return {key: without(each, gone) for key, each in kept.items()}
        case list():
            return [without(each, gone) for each in value if not whole(each, gone)]
        case _:
            return value


def whole(value, gone):
    """Whether nothing of a value is left: it speaks of what is gone, or it is a list or an output of that."""
    if isinstance(value, list) and value:
        return all(whole(each, gone) for each in value)
    if isinstance(value, dict) and "Value" in value and set(value) <= {"Value", "Description", "Condition"}:
        return whole(value["Value"], gone)
    return speaks_of(value, gone)


class Deployment(unittest.TestCase):
    """One production, made once for all tests."""

    @classmethod
    def setUpClass(cls):
        cls.cloudformation = client("cloudformation")
        cls.stacks = []
        # Removed after what lies in it: cleaning up goes backwards.
        network = cls.network()
        cls.addClassCleanup(cls.tear_down)
        bucket = f"files-{SUFFIX}"
        core = cls.deploy("core", TableName=f"rows-{SUFFIX}", DeletionProtection="false")
        tenant = cls.deploy("tenant", BucketName=bucket)
        files = {
            "BucketName": bucket,
            "AllowedOrigins": "https://share.example",
            "KeyArn": tenant["KeyArn"],
            "AuditBucketArn": core["AuditBucketArn"],
            "AuditKeyArn": core["KeyArn"],
        }
        made = cls.deploy("bucket", **files)
        edge = cls.deploy("edge", **GIVEN["edge"] | {"BucketDomainName": made["BucketDomainName"], "NextPublicKeyPem": ""})
        # The edge is known now, and may read.
        cls.update("bucket", **files, EdgeDistributionArn=edge["DistributionArn"])
        roles = cls.deploy(
            "roles",
            **GIVEN["roles"]
            | {
                "TableName": core["TableName"],
                "BucketName": bucket,
                "KeyArn": core["KeyArn"],
                "BucketKeyArn": tenant["KeyArn"],
                "RootKeysArn": core["RootKeysArn"],
                "DataKeysKeyArn": core["DataKeysKeyArn"],
            },
        )
        service = cls.deploy(
            "service",
            **GIVEN["service"]
            | network
            | {
                "Environment": f"e{SUFFIX}",
                "TableName": core["TableName"],
                "BucketName": bucket,
                "KeyArn": core["KeyArn"],
                "RootKeysArn": core["RootKeysArn"],
                "DataKeysKeyArn": core["DataKeysKeyArn"],
                "TaskRoleArn": roles["TaskRoleArn"],
                "ExecutionRoleArn": roles["ExecutionRoleArn"],
            },
        )
        cls.deploy(
            "alarms",
            **GIVEN["alarms"]
            | {
                "Environment": f"e{SUFFIX}",
                "TableName": core["TableName"],
                "BucketName": bucket,
                "KeyArn": core["KeyArn"],
                "BalancerName": service["BalancerName"],
                # MiniStack leaves out what every such name begins with.
                "TargetsName": f"targetgroup/{service['TargetsName']}",
            },
        )
        cls.deploy(
            "backup", **GIVEN["backup"] | {"TableArn": core["TableArn"], "BucketArn": made["BucketArn"], "KeyArn": core["KeyArn"]}
        )
        cls.bucket, cls.core, cls.roles = bucket, core, roles

    @classmethod
    def network(cls):
        ec2 = client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        cls.addClassCleanup(ec2.delete_vpc, VpcId=vpc)
        subnets = []
        for number in range(4):
            made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{'ab'[number % 2]}")
            subnets.append(made["Subnet"]["SubnetId"])
            cls.addClassCleanup(ec2.delete_subnet, SubnetId=subnets[-1])
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        cls.addClassCleanup(ec2.delete_route_table, RouteTableId=table)
        return {
            "VpcId": vpc,
            "PrivateSubnetIds": ",".join(subnets[:2]),
            "PublicSubnetIds": ",".join(subnets[2:]),
            "PrivateRouteTableIds": table,
            "MonitoringSecurityGroupId": "",
        }

    @classmethod
    def deploy(cls, name, **given):
        stack = f"infra-{name}-{SUFFIX}"
        cls.stacks.append(stack)
        cls.cloudformation.create_stack(StackName=stack, **cls.asked(name, given))
        return cls.outcome(stack, "stack_create_complete")

    @classmethod
    def update(cls, name, **given):
        stack = f"infra-{name}-{SUFFIX}"
        cls.cloudformation.update_stack(StackName=stack, **cls.asked(name, given))
        return cls.outcome(stack, "stack_update_complete")

    @classmethod
    def asked(cls, name, given):
        return {
            "TemplateBody": json.dumps(deployable(name), default=str),
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            "Capabilities": ["CAPABILITY_IAM"],
        }

    @classmethod
    def outcome(cls, stack, waited):
        try:
            cls.cloudformation.get_waiter(waited).wait(StackName=stack, WaiterConfig={"Delay": 0.2, "MaxAttempts": 150})
        except Exception as fault:
            events = cls.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            reasons = [f"{each['LogicalResourceId']}: {each['ResourceStatusReason']}" for each in events if each.get("ResourceStatusReason")]
            raise AssertionError(f"{stack}: {reasons}") from fault
        (described,) = cls.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}

    @classmethod
    def tear_down(cls):
        kept = []
        for stack in reversed(cls.stacks):
            try:
                found = cls.cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
            except ClientError:
                continue
            kept += [each for each in found if each["ResourceType"] in ("AWS::S3::Bucket", "AWS::DynamoDB::Table")]
            cls.cloudformation.delete_stack(StackName=stack)
            cls.cloudformation.get_waiter("stack_delete_complete").wait(
                StackName=stack, WaiterConfig={"Delay": 0.2, "MaxAttempts": 150}
            )
        # What outlives its stack, on purpose.
        for each in kept:
            if each["ResourceType"] == "AWS::S3::Bucket":
                client("s3").delete_bucket(Bucket=each["PhysicalResourceId"])
            else:
                client("dynamodb").delete_table(TableName=each["PhysicalResourceId"])

    def test_what_is_left_out_is_what_the_emulator_does_not_know(self):
        found = set()
        for name in names():
            found |= unrecognized(template.load(text(name)))
        self.assertEqual(found, NOT_KNOWN)

    def test_an_alarm_with_an_expression_is_not_taken(self):
        alarms = template.load(text("alarms"))
        alarms["Resources"] = {name: alarms["Resources"][name] for name in ("ErrorRate", "AlarmTopic")}
        del alarms["Outputs"]
        stack = f"infra-expression-{SUFFIX}"
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in GIVEN["alarms"].items()]
        self.cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(long_form(alarms)), Parameters=given)
        with self.assertRaisesRegex(AssertionError, "metric math"):
            self.outcome(stack, "stack_create_complete")
        self.cloudformation.delete_stack(StackName=stack)

    def test_copies_want_keys(self):
        for missing, said in (("KeyArn", "AuditBucketArn wants KeyArn"), ("AuditKeyArn", "AuditBucketArn wants AuditKeyArn")):
            given = GIVEN["bucket"] | {"BucketName": f"open-{SUFFIX}", missing: ""}
            with self.assertRaisesRegex(ClientError, said):
                self.cloudformation.create_stack(StackName=f"infra-open-{SUFFIX}", **self.asked("bucket", given))

    def test_every_template_is_deployed(self):
        self.assertEqual({stack.split("-")[1] for stack in self.stacks}, set(names()))

    def test_the_bucket_is_closed(self):
        s3 = client("s3")
        closed = s3.get_public_access_block(Bucket=self.bucket)["PublicAccessBlockConfiguration"]
        self.assertTrue(all(closed.values()) and len(closed) == 4, closed)
        self.assertEqual(s3.get_bucket_versioning(Bucket=self.bucket)["Status"], "Enabled")
        policy = json.loads(s3.get_bucket_policy(Bucket=self.bucket)["Policy"])
        said = {statement["Sid"]: statement for statement in policy["Statement"]}
        self.assertEqual(set(said), {"RefusePlainText", "RefuseOldSignatures", "TheEdgeReadsArtifacts"})
        age = said["RefuseOldSignatures"]["Condition"]["NumericGreaterThan"]["s3:signatureAge"]
        self.assertEqual(int(age), 600_000)
        (cors,) = s3.get_bucket_cors(Bucket=self.bucket)["CORSRules"]
        self.assertEqual(cors["AllowedOrigins"], ["https://share.example"])

    def test_a_locked_object_cannot_be_removed(self):
        # MiniStack's CloudFormation drops the lock of a template; its S3 holds one.
        locked = resources(template.load(text("core")), GIVEN["core"])["AuditBucket"]["Properties"]
        s3, audit, key = client("s3"), f"audit-{SUFFIX}", "checkpoints/t/live/0000000000000001"
        s3.create_bucket(Bucket=audit, ObjectLockEnabledForBucket=locked["ObjectLockEnabled"])
        s3.put_object_lock_configuration(Bucket=audit, ObjectLockConfiguration=locked["ObjectLockConfiguration"])
        put = s3.put_object(Bucket=audit, Key=key, Body=b"signed")
        with self.assertRaises(ClientError) as refused:
            s3.delete_object(Bucket=audit, Key=key, VersionId=put["VersionId"])
        self.assertEqual(refused.exception.response["Error"]["Code"], "AccessDenied")
        s3.delete_object(Bucket=audit, Key=key, VersionId=put["VersionId"], BypassGovernanceRetention=True)
        s3.delete_bucket(Bucket=audit)

    def test_keys_turn_once_a_year(self):
        for arn in (self.core["KeyArn"], self.core["DataKeysKeyArn"]):
            self.assertTrue(client("kms").get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"])

    def test_the_key_for_data_keys_is_marked_and_can_have_a_replica(self):
        kms, arn = client("kms"), self.core["DataKeysKeyArn"]
        tags = {each["TagKey"]: each["TagValue"] for each in kms.list_resource_tags(KeyId=arn)["Tags"]}
        self.assertEqual(tags.get("cloakroom:purpose"), "data-keys")
        self.assertTrue(kms.describe_key(KeyId=arn)["KeyMetadata"]["MultiRegion"])
        said = {each["Sid"] for each in json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])["Statement"]}
        self.assertTrue({"NothingWithoutATenant", "NothingWithoutADeployment"} <= said, said)

    def test_the_roles_are_as_written(self):
        iam = client("iam")
        for output in ("TaskRoleArn", "ExecutionRoleArn", "BootstrapRoleArn", "KeysRoleArn"):
            role = self.roles[output].rsplit("/", 1)[1]
            self.assertTrue(iam.list_role_policies(RoleName=role)["PolicyNames"], role)

    def test_the_function_is_published_as_it_is_tested(self):
        body = client("cloudfront").get_function(Name=f"infra-edge-{SUFFIX}-viewer-request", Stage="LIVE")
        self.assertIn((INFRA / "edge" / "viewer-request.js").read_text(encoding="utf-8"), body["FunctionCode"].read().decode())


if __name__ == "__main__":
    unittest.main()
