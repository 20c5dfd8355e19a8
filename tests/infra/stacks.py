"""What the templates are deployed with in tests, and how what deploys them reads one."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
INFRA = ROOT / "infra"
sys.path.insert(0, str(ROOT / "localstack"))

import template  # noqa: E402  (only there from here on)

ACCOUNT = "000000000000"
REGION = "us-east-1"
DEPLOYMENT = "0123456789abcdef" * 2
PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqMEWVVPDcDqPSSbSVQNHIGDRtaJ3\n"
    "vzLkfEJMnFGBrTRIpNTYNYCH1b0uDkMxlR8DYwNzaeFbZIPV3BN3cnXFmw==\n"
    "-----END PUBLIC KEY-----\n"
)


def text(name):
    return (INFRA / f"{name}.yaml").read_text(encoding="utf-8")


def names():
    return sorted(file.stem for file in INFRA.glob("*.yaml"))


def key(name):
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"


# Everything switched on: what a production has.
GIVEN = {
    "core": {"SecondRegion": "us-west-2"},
    "tenant": {
        "BucketName": "files",
        "EdgeDistributionArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1",
    },
    "bucket": {
        "BucketName": "files",
        "AllowedOrigins": "https://share.example",
        "KeyArn": key("files"),
        "AuditBucketArn": "arn:aws:s3:::audit",
        "AuditKeyArn": key("core"),
        "EdgeDistributionArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1",
    },
    "edge": {
        "ContentDomain": "content.example",
        "CertificateArn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1",
        "BucketDomainName": "files.s3.us-east-1.amazonaws.com",
        "BrokerDomain": "broker.example",
        "PublicKeyPem": PEM,
        "NextPublicKeyPem": PEM,
    },
    "roles": {
        "Environment": "test",
        "TableName": "rows",
        "BucketName": "files",
        "KeyArn": key("core"),
        "BucketKeyArn": key("files"),
        "RootKeysArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:keys-a",
        "DataKeysKeyArn": key("data-keys"),
        "FormerDataKeysKeyArn": key("former-data-keys"),
        "DeploymentId": DEPLOYMENT,
        "ImageRepository": "images",
        "BootstrapPrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/admin",
        "KeysPrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/admin",
    },
    "service": {
        "Environment": "test",
        "VpcId": "vpc-1",
        "VpcNetwork": "10.0.0.0/16",
        "PrivateSubnetIds": "subnet-1,subnet-2",
        "PrivateRouteTableIds": "rtb-1",
        "PublicSubnetIds": "subnet-3,subnet-4",
        "MonitoringSecurityGroupId": "sg-1",
        "ShareDomain": "share.example",
        "ContentDomain": "content.example",
        "CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/2",
        "TrustedProxies": "10.0.0.0/16",
        "TableName": "rows",
        "BucketName": "files",
        "KeyArn": key("core"),
        "RootKeysArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:keys-a",
        "DataKeysKeyArn": key("data-keys"),
        "TaskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/task",
        "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/execution",
        "ImageDigest": "sha256:" + "a" * 64,
    },
    "alarms": {
        "Environment": "test",
        "TableName": "rows",
        "BucketName": "files",
        "AuditBucketName": "audit",
        "KeyArn": key("core"),
        "FewestReplicas": "2",
        "BalancerName": "app/cloakroom-test/1",
        "TargetsName": "targetgroup/share/1",
        "AlarmEmail": "operator@share.example",
    },
    "backup": {
        "TableArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/rows",
        "BucketArn": "arn:aws:s3:::files",
        "KeyArn": key("core"),
        "SecondVaultArn": f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:second",
    },
}


class Symbols(dict):
    """A resource of the template, or an attribute of it, stands for its own name."""

    def __init__(self, known, resources):
        super().__init__(known)
        self.resources = resources

    def __contains__(self, name):
        return super().__contains__(name) or name.split(".")[0] in self.resources

    def __missing__(self, name):
        return f"<{name}>"


def resources(read, given):
    """Every resource that is made with these parameters, each function replaced by its value."""
    known = template.parameters(read, given)
    made = template.made(read, known)
    return {logical: template.resolve(resource, Symbols(known, made)) for logical, resource in made.items()}
