"""What the templates promise, each held on the template as a production is given it.

Emulators ignore much of it without a word (TTL, point-in-time recovery, encryption,
locks, conditions of policies), so that nothing of this is asked of them. The last
test takes each promise out of its template, and wants some rule to notice.
"""

import copy
import functools
import json
import re
import unittest

import botocore.session
from botocore import xform_name
from stacks import ACCOUNT, DEPLOYMENT, GIVEN, ROOT, key, names, resources, template, text

KEPT = {"Retain", "RetainExceptOnCreate"}
# What a ciphertext of KMS is bound to.
CONTEXT = "kms:EncryptionContext:cloakroom:{}"


class Broken(Exception):
    """A rule that a template does not keep."""


def expect(holds, what):
    if not holds:
        raise Broken(what)


def as_list(value):
    return value if isinstance(value, list) else [value]


def statements(policy):
    return {statement.get("Sid", str(number)): statement for number, statement in enumerate(policy["Statement"])}


def of_type(made, kind):
    return {logical: each["Properties"] for logical, each in made.items() if each["Type"] == kind}


# --- all templates -------------------------------------------------------------


def every_bucket_is_closed(made):
    policies = {each["Bucket"]: each["PolicyDocument"] for each in of_type(made, "AWS::S3::BucketPolicy").values()}
    for logical, bucket in of_type(made, "AWS::S3::Bucket").items():
        closed = bucket.get("PublicAccessBlockConfiguration", {})
        wanted = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
        expect({name for name, on in closed.items() if on is True} == wanted, f"{logical} can be made public")
        (owned,) = bucket["OwnershipControls"]["Rules"]
        expect(owned["ObjectOwnership"] == "BucketOwnerEnforced", f"{logical} has ACLs")
        expect("BucketEncryption" in bucket, f"{logical} is not encrypted")
        plain = statements(policies.get(f"<{logical}>", {"Statement": []})).get("RefusePlainText", {})
        expect(plain.get("Effect") == "Deny" and plain["Principal"] == "*" and plain["Action"] == "s3:*", f"{logical}: no TLS")
        expect(plain["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, f"{logical} lets plain text in")
        expect(len(plain["Resource"]) == 2, f"{logical}: bucket and objects")


def what_is_kept_outlives_its_stack(made):
    for kind in ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::Backup::BackupVault"):
        for logical, each in made.items():
            if each["Type"] == kind:
                expect({each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")} <= KEPT, f"{logical} goes with its stack")


def every_key_turns_and_stays(made):
    for logical, each in of_type(made, "AWS::KMS::Key").items():
        expect(each.get("EnableKeyRotation") is True and each.get("RotationPeriodInDays") == 365, f"{logical} does not turn")
        expect(each.get("PendingWindowInDays") == 30, f"{logical} goes sooner")
        refused = statements(each["KeyPolicy"]).get("NobodyDeletesOrDisablesIt", {})
        expect(refused.get("Effect") == "Deny" and refused["Principal"] == "*" and "Condition" not in refused, f"{logical} can go")
        wanted = {"kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DisableKeyRotation"}
        expect(wanted <= set(refused["Action"]), f"{logical} can be disabled")
        for sid, statement in statements(each["KeyPolicy"]).items():
            service = statement["Principal"].get("Service") if isinstance(statement["Principal"], dict) else None
            if statement["Effect"] == "Allow" and service:
                expect(statement.get("Condition"), f"{logical}: {sid} is for every account")


def no_right_is_wider_than_it_says(made):
    """No star as an action, and none as a resource but where AWS knows no other."""
    for logical, role in of_type(made, "AWS::IAM::Role").items():
        for trust in role["AssumeRolePolicyDocument"]["Statement"]:
            if "Service" in trust["Principal"]:
                expect(trust["Condition"]["StringEquals"]["aws:SourceAccount"] == ACCOUNT, f"{logical}: other accounts")
        for policy in role.get("Policies", []):
            for sid, statement in statements(policy["PolicyDocument"]).items():
                if statement["Effect"] == "Deny":
                    continue
                where = f"{logical}: {sid}"
                expect(not any("*" in action for action in as_list(statement["Action"])), f"{where} has a star as an action")
                for resource in as_list(statement["Resource"]):
                    alone = statement["Action"] == "ecr:GetAuthorizationToken"
                    expect(resource.startswith("arn:") or resource.startswith("<") or alone, f"{where} is for everything")
                if any(action.startswith("kms:") for action in as_list(statement["Action"])):
                    conditions = statement.get("Condition", {})
                    via = [value for test in conditions.values() for name, value in test.items() if name == "kms:ViaService"]
                    expect(via or is_for_a_tenant(statement), f"{where} uses the key by itself")


def is_for_a_tenant(statement):
    """Of the only keys that are used directly: for a tenant of this deployment, and nothing else.

    A test with `StringLike` fails where what it names is missing; one with `ForAllValues` alone does not.
    """
    actions, resource = set(as_list(statement["Action"])), statement["Resource"]
    known = (resource == key("data-keys") and actions == {"kms:Encrypt", "kms:Decrypt"}) or (
        resource == key("former-data-keys") and actions == {"kms:Decrypt"}
    )
    return known and statement.get("Condition") == {
        "StringEquals": {"aws:ResourceTag/cloakroom:purpose": "data-keys"},
        "StringLike": {CONTEXT.format("deployment"): DEPLOYMENT, CONTEXT.format("tenant"): "ten_*"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["cloakroom:deployment", "cloakroom:tenant"]},
    }


# --- core ------------------------------------------------------------------------


def the_table_is_kept(made):
    table = made["Table"]["Properties"]
    expect(table["BillingMode"] == "PAY_PER_REQUEST", "planned capacity")
    expect(table.get("TimeToLiveSpecification") == {"AttributeName": "ttl", "Enabled": True}, "nothing is ever purged")
    recovery = table.get("PointInTimeRecoverySpecification", {})
    expect(recovery.get("PointInTimeRecoveryEnabled") is True, "no way back to a point in time")
    expect(table.get("DeletionProtectionEnabled") is True, "the table can be deleted")
    encrypted = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": "<Key.Arn>"}
    expect(table.get("SSESpecification") == encrypted, "not under the key")
    expect("GlobalSecondaryIndexes" not in table and "LocalSecondaryIndexes" not in table, "an index decides something")


def root_keys_are_sealed(made):
    expect(made["RootKeys"]["Properties"].get("KmsKeyId") == "<Key.Arn>", "root keys under Amazon's key")
    expect("SecretString" not in made["RootKeys"]["Properties"], "a secret in a template")


def data_keys_have_a_key_of_their_own(made):
    named = set(re.findall(r'const (?:DEPLOYMENT|TENANT): &str = "([^"]+)";', source("src/kms.rs")))
    expect(named == {"cloakroom:deployment", "cloakroom:tenant"}, f"the program names other things: {named}")
    prefix = re.search(r'TenantId, "(\w+)"', source("src/domain/ids.rs"))[1]
    properties = made["DataKeysKey"]["Properties"]
    expect({"Key": "cloakroom:purpose", "Value": "data-keys"} in properties.get("Tags", []), "nobody knows which it is")
    expect(properties.get("MultiRegion") is True, "lost with its region")
    said = statements(properties["KeyPolicy"])
    allowed = [each["Principal"] for each in said.values() if each["Effect"] == "Allow"]
    expect(allowed == [{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}], "others may use it")
    refused = {
        "NobodyCopiesItElsewhere": ({"kms:ReplicateKey"}, {"StringNotEquals": {"kms:ReplicaRegion": "us-west-2"}}),
        "ForNothingElse": ({"kms:CreateGrant", "kms:GenerateDataKey*", "kms:ReEncrypt*"}, None),
        "NothingWithoutATenant": ({"kms:Encrypt", "kms:Decrypt"}, {"StringNotLike": {CONTEXT.format("tenant"): f"{prefix}_*"}}),
        "NothingWithoutADeployment": ({"kms:Encrypt", "kms:Decrypt"}, {"Null": {CONTEXT.format("deployment"): "true"}}),
    }
    for sid, (actions, condition) in refused.items():
        each = said.get(sid, {})
        expect(each.get("Effect") == "Deny" and each["Principal"] == "*" and set(as_list(each["Action"])) == actions, sid)
        expect(each.get("Condition") == condition, f"{sid}: another condition")
    elsewhere = [logical for logical, each in made.items() if "<DataKeysKey.Arn>" in json.dumps(each)]
    expect(not elsewhere, f"{elsewhere} lie under it, too")


def checkpoints_are_locked(made):
    bucket = made["AuditBucket"]["Properties"]
    expect(bucket.get("ObjectLockEnabled") is True, "no lock")
    lock = bucket.get("ObjectLockConfiguration", {})
    expect(lock.get("ObjectLockEnabled") == "Enabled", "no lock by default")
    retention = lock.get("Rule", {}).get("DefaultRetention", {})
    expect(retention.get("Mode") in ("GOVERNANCE", "COMPLIANCE") and int(retention.get("Days", 0)) >= 365, "unlocked within a year")
    expect(bucket.get("VersioningConfiguration") == {"Status": "Enabled"}, "no versions")
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"] if rule["Status"] == "Enabled"}
    expect(int(rules["forget-what-is-unlocked"]["ExpirationInDays"]) == int(retention["Days"]), "copies stay for ever, or not long enough")
    by_hand = statements(made["AuditBucketPolicy"]["Properties"]["PolicyDocument"]).get("NothingIsPutByHand", {})
    refused = {"s3:PutObject", "s3:PutObjectRetention", "s3:BypassGovernanceRetention"}
    expect(by_hand.get("Effect") == "Deny" and by_hand["Principal"] == "*" and refused <= set(by_hand["Action"]), "put by hand")


# --- bucket ------------------------------------------------------------------------


def signatures_age(made):
    old = statements(made["BucketPolicy"]["Properties"]["PolicyDocument"]).get("RefuseOldSignatures", {})
    expect(old.get("Effect") == "Deny" and old["Principal"] == "*" and old["Action"] == "s3:*", "old signatures are good")
    expect(int(old["Condition"]["NumericGreaterThan"]["s3:signatureAge"]) <= 600_000, "older than ten minutes")


def files_are_under_a_key_of_their_own(made):
    (rule,) = made["Bucket"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key("files")}
    expect(rule == {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": by_default}, "not under the key")


def what_nobody_wants_any_more_goes(made):
    bucket = made["Bucket"]["Properties"]
    expect(bucket.get("VersioningConfiguration") == {"Status": "Enabled"}, "no versions")
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"] if rule["Status"] == "Enabled"}
    parts = rules.get("abort-unfinished-multipart-uploads", {}).get("AbortIncompleteMultipartUpload", {})
    expect(parts.get("DaysAfterInitiation") == 9, "parts stay")
    for name, prefix, days in (("expire-the-inbox", "inbox/", 10), ("expire-exports", "exports/", 8)):
        rule = rules.get(name, {})
        expect((rule.get("Prefix"), rule.get("ExpirationInDays")) == (prefix, days), f"{prefix} is kept")
        expect(rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}, f"{prefix} is hidden and kept")
    noted = rules.get("forget-how-far-it-had-come", {})
    expect((noted.get("Prefix"), noted.get("NoncurrentVersionExpiration")) == ("standing/", {"NoncurrentDays": 1}), "notes pile up")
    old = rules.get("forget-deleted-files", {})
    expect(old.get("NoncurrentVersionExpiration") == {"NoncurrentDays": 30} and "Prefix" not in old, "deleted files stay")
    expect(rules.get("drop-delete-markers", {}).get("ExpiredObjectDeleteMarker") is True, "markers stay")


def only_pages_of_ours_talk_to_the_bucket(made):
    (rule,) = made["Bucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    expect(rule["AllowedOrigins"] == ["https://share.example"], "other pages")
    expect(set(rule["AllowedMethods"]) == {"GET", "HEAD", "PUT", "POST"}, "other methods")


def checkpoints_are_copied_and_never_uncopied(made):
    (rule,) = made["Bucket"]["Properties"].get("ReplicationConfiguration", {}).get("Rules") or [{}]
    expect(rule.get("Status") == "Enabled" and rule["Filter"] == {"Prefix": "checkpoints/"}, "not copied")
    expect(rule["DeleteMarkerReplication"] == {"Status": "Disabled"}, "a deletion is copied")
    expect(rule["Destination"]["Bucket"] == "arn:aws:s3:::audit", "copied elsewhere")
    expect(rule["SourceSelectionCriteria"] == {"SseKmsEncryptedObjects": {"Status": "Enabled"}}, "sealed ones are left out")
    said = statements(made["CopyingRole"]["Properties"]["Policies"][0]["PolicyDocument"])
    expect(said["WriteCopies"]["Resource"] == "arn:aws:s3:::audit/checkpoints/*", "writes elsewhere")
    expect("s3:ReplicateDelete" not in json.dumps(said), "a deletion is copied")
    expect(said["ReadCheckpoints"]["Resource"] == "arn:aws:s3:::files/checkpoints/*", "reads files")


def the_edge_reads_artifacts_alone(made):
    read = statements(made["BucketPolicy"]["Properties"]["PolicyDocument"])["TheEdgeReadsArtifacts"]
    expect(read["Action"] == "s3:GetObject" and read["Resource"] == "arn:aws:s3:::<Bucket>/artifact/*", "reads more")
    expect(read["Principal"] == {"Service": "cloudfront.amazonaws.com"}, "others read")
    arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"
    expect(read.get("Condition") == {"StringEquals": {"aws:SourceArn": arn}}, "every distribution reads")


# --- tenant --------------------------------------------------------------------------


def every_access_is_recorded(made):
    trail = made["Record"]["Properties"]
    expect(trail.get("EnableLogFileValidation") is True, "a changed record is not found out")
    expect(trail.get("IsLogging") is True and trail.get("KMSKeyId") == "<Key.Arn>", "no record, or an open one")
    (selector,) = trail["AdvancedEventSelectors"]
    fields = {field.pop("Field"): field for field in copy.deepcopy(selector["FieldSelectors"])}
    expect(fields["eventCategory"] == {"Equals": ["Data"]} and fields["resources.type"] == {"Equals": ["AWS::S3::Object"]}, "no objects")
    expect(fields["resources.ARN"] == {"StartsWith": ["arn:aws:s3:::files/"]} and len(fields) == 3, "some are left out")
    bucket = made["RecordBucket"]["Properties"]
    expect(bucket.get("ObjectLockEnabled") is True and bucket["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled", "no lock")
    said = statements(made["RecordBucketPolicy"]["Properties"]["PolicyDocument"])
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/files"
    for sid in ("TheTrailLooks", "TheTrailWrites"):
        expect(said[sid]["Condition"]["StringEquals"].get("aws:SourceArn") == arn, "others write into the record")


# --- edge ------------------------------------------------------------------------------


def artifacts_want_cookies(made):
    config = made["Distribution"]["Properties"]["DistributionConfig"]
    files = config["DefaultCacheBehavior"]
    expect(files.get("TrustedKeyGroups") == ["<KeyGroup>"], "artifacts are open")
    expect(files["AllowedMethods"] == ["GET", "HEAD"] and files["ViewerProtocolPolicy"] == "redirect-to-https", "other methods")
    expect(files["TargetOriginId"] == "bucket" and files["CachePolicyId"] == "<ShortLife>", "not from the bucket")
    (function,) = files.get("FunctionAssociations", [])
    expect(function == {"EventType": "viewer-request", "FunctionARN": "<ViewerRequest.FunctionARN>"}, "hosts share files")
    expect(made["KeyGroup"]["Properties"]["KeyGroupConfig"]["Items"] == ["<PublicKey>", "<NextPublicKey>"], "other keys")
    expect(config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021", "old TLS")
    expect(config["Aliases"] == ["*.content.example"], "other hosts")
    access = made["OriginAccess"]["Properties"]["OriginAccessControlConfig"]
    expect((access["SigningBehavior"], access["SigningProtocol"]) == ("always", "sigv4"), "unsigned requests to the bucket")
    origins = {origin["Id"]: origin for origin in config["Origins"]}
    expect(origins["bucket"].get("OriginAccessControlId") == "<OriginAccess.Id>", "the bucket does not know the edge")
    expect(origins["broker"]["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only", "plain text to the broker")


def nothing_is_kept_for_long_at_the_edge(made):
    policy = made["ShortLife"]["Properties"]["CachePolicyConfig"]
    expect(policy["MinTTL"] == 0 and policy["MaxTTL"] <= 60 and policy["DefaultTTL"] <= 60, "a deleted artifact stays")
    for error in made["Distribution"]["Properties"]["DistributionConfig"]["CustomErrorResponses"]:
        expect(error["ErrorCachingMinTTL"] == 0, "a refusal is kept")


def codes_go_to_the_broker(made):
    (handoff,) = made["Distribution"]["Properties"]["DistributionConfig"].get("CacheBehaviors", [{}])
    enter = re.search(r'ENTER_PATH: &str = "([^"]+)"', source("src/service/link_redemption.rs"))[1]
    expect(handoff.get("PathPattern") == enter.rsplit("/", 1)[0] + "/*", "codes go to the bucket")
    expect(handoff["TargetOriginId"] == "broker" and handoff["ViewerProtocolPolicy"] == "https-only", "codes go elsewhere")
    expect("POST" in handoff["AllowedMethods"] and "TrustedKeyGroups" not in handoff, "nobody gets in")
    never, as_asked = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "216adef6-5c7f-47e4-b989-5492eafa07d3"
    expect((handoff["CachePolicyId"], handoff["OriginRequestPolicyId"]) == (never, as_asked), "codes are kept")


def the_edge_answers_as_the_broker_does(made):
    config = made["Answers"]["Properties"]["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]
    told = {each["Header"].lower(): each["Value"] for each in config["CustomHeadersConfig"]["Items"]}
    strict = security["StrictTransportSecurity"]
    age = f"max-age={strict['AccessControlMaxAgeSec']}; includeSubDomains; preload"
    expect(strict["IncludeSubdomains"] and strict["Preload"] and age in source("src/http/headers.rs"), "HSTS")
    expect(security["ContentTypeOptions"] == {"Override": True}, "nosniff")
    for value in (told["cross-origin-opener-policy"], told["cross-origin-resource-policy"], told["permissions-policy"]):
        expect(f'"{value}"' in source("src/http/headers.rs"), f"{value} is not what the broker says")
    edge = source("src/http/edge.rs")
    for value in (
        told["cache-control"],
        security["FrameOptions"]["FrameOption"],
        security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        security["ReferrerPolicy"]["ReferrerPolicy"],
    ):
        expect(f'"{value}"' in edge, f"{value} is not what the broker says")


def floods_are_held_back(made):
    rules = {rule["Name"]: rule for rule in made["Firewall"]["Properties"]["Rules"]}
    for name in ("requests-of-an-address", "handoffs-of-an-address"):
        rate = rules.get(name, {}).get("Statement", {}).get("RateBasedStatement", {})
        expect(rate.get("AggregateKeyType") == "IP" and "Block" in rules[name]["Action"], f"{name} is not limited")
    expect(made["Distribution"]["Properties"]["DistributionConfig"].get("WebACLId") == "<Firewall.Arn>", "the firewall stands aside")


def no_log_lets_anybody_in(made):
    fields = made["Log"]["Properties"]["RecordFields"]
    expect(fields and not any("cookie" in field.lower() or "query" in field or "Referer" in field for field in fields), "cookies in logs")
    redacted = made["FirewallLogging"]["Properties"]["RedactedFields"]
    expect({"SingleHeader": {"Name": "cookie"}} in redacted, "cookies in the firewall's log")
    (expiring,) = made["LogBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expect(int(expiring["ExpirationInDays"]) <= 30, "addresses are kept")


# --- roles -------------------------------------------------------------------------------

# What an SDK's call needs. Signing needs what the signed request does.
NEEDED = {
    "dynamodb": {
        "get_item": {"dynamodb:GetItem"},
        "batch_get_item": {"dynamodb:BatchGetItem"},
        "query": {"dynamodb:Query"},
        "scan": {"dynamodb:Scan"},
        "transact_write_items": {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
        "update_item": {"dynamodb:UpdateItem"},
        "delete_item": {"dynamodb:DeleteItem"},
        "describe_table": {"dynamodb:DescribeTable"},
    },
    "s3": {
        "head_object": {"s3:GetObject"},
        "get_object": {"s3:GetObject"},
        "put_object": {"s3:PutObject"},
        "copy_object": {"s3:GetObject", "s3:PutObject"},
        "upload_part_copy": {"s3:GetObject", "s3:PutObject"},
        "create_multipart_upload": {"s3:PutObject"},
        "complete_multipart_upload": {"s3:PutObject"},
        "abort_multipart_upload": {"s3:AbortMultipartUpload"},
        "list_parts": {"s3:ListMultipartUploadParts"},
        "delete_object": {"s3:DeleteObject"},
        "delete_objects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
        "list_objects_v2": {"s3:ListBucket"},
        "head_bucket": {"s3:ListBucket"},
        "list_object_versions": {"s3:ListBucketVersions"},
        "list_multipart_uploads": {"s3:ListBucketMultipartUploads"},
    },
    "secretsmanager": {
        "get_secret_value": {"secretsmanager:GetSecretValue"},
        "put_secret_value": {"secretsmanager:PutSecretValue"},
        "update_secret_version_stage": {"secretsmanager:UpdateSecretVersionStage"},
    },
    "kms": {
        "encrypt": {"kms:Encrypt"},
        "decrypt": {"kms:Decrypt"},
    },
}
WHERE = {
    "dynamodb": ["src/store/dynamodb.rs", "src/store/dynamodb"],
    "s3": ["src/objects/s3.rs", "src/objects/s3"],
    "secretsmanager": ["src/keys/secrets_manager.rs"],
    "kms": ["src/kms.rs"],
}
# What only a person does, with a command, unless the broker is told to: change the root keys.
BY_HAND = {"secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"}


@functools.cache
def source(path):
    found = ROOT / path
    files = sorted(found.rglob("*.rs")) if found.is_dir() else [found]
    return "\n".join(file.read_text(encoding="utf-8").split("#[cfg(test)]")[0] for file in files)


@functools.cache
def calls(service):
    """Every call of the SDK that the program makes, by the service's own list of operations."""
    code = "\n".join(source(path) for path in WHERE[service])
    operations = {xform_name(each) for each in botocore.session.get_session().get_service_model(service).operation_names}
    return operations & set(re.findall(r"\.\s*([a-z0-9_]+)\(\)", code))


def actions(role, service):
    """What a role may do itself: what a service does for it is that service's."""
    allowed = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    itself = [each for each in allowed if "kms:ViaService" not in each.get("Condition", {}).get("StringEquals", {})]
    return {action for each in itself for action in as_list(each["Action"]) if action.startswith(f"{service}:")}


def the_broker_may_do_what_it_does(made):
    for service, needed in NEEDED.items():
        made_calls = calls(service)
        expect(made_calls <= set(needed), f"nobody has said what {made_calls - set(needed)} needs")
        wanted = set().union(*(needed[call] for call in made_calls))
        expect(wanted, f"nothing is asked of {service}: is it elsewhere in the source?")
        expect(actions(made["TaskRole"]["Properties"], service) == wanted - BY_HAND, f"{service}: {wanted}")
        if service in ("secretsmanager", "kms"):
            expect(actions(made["BootstrapRole"]["Properties"], service) == wanted, f"who sets it up, {service}: {wanted}")


def rights_end_at_prefixes(made):
    policies = {each["PolicyName"]: statements(each["PolicyDocument"]) for each in made["TaskRole"]["Properties"]["Policies"]}
    prefixes = set(re.findall(r'format!\("([a-z]+)/\{', source("src/objects/key.rs")))
    objects = policies["objects"]
    notes = {"standing", "removed"}
    wanted = {f"arn:aws:s3:::files/{prefix}/*" for prefix in prefixes - notes}
    expect(set(objects["ReadAndWriteObjects"]["Resource"]) == wanted, f"not the prefixes that there are: {prefixes}")
    expect(set(objects["KeepNotes"]["Resource"]) == {f"arn:aws:s3:::files/{prefix}/*" for prefix in notes}, "other notes")
    expect(set(objects["KeepNotes"]["Action"]) == {"s3:GetObject", "s3:PutObject"}, "a note goes")
    expect(objects["FindObjects"]["Resource"] == "arn:aws:s3:::files", "other buckets")
    expect(set(objects["EndUploadsInParts"]["Resource"]) < wanted, "parts beyond the known prefixes")
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/rows"
    rows = policies["rows"]
    expect(all(each["Resource"] == table for each in rows.values()), "other tables")
    within = {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": ["TransactWriteItems"]}}
    expect(rows["ChangeRowsInTransactionsOnly"].get("Condition") == within, "a row is written without its event")
    counted = rows["CountLimits"].get("Condition", {})
    expect(counted.get("ForAllValues:StringLike") == {"dynamodb:LeadingKeys": ["limits#*"]}, "anything is counted")
    expect(counted.get("Null") == {"dynamodb:LeadingKeys": "false"}, "no key is any key")
    stay = rows.get("TombstonesStay", {})
    expect(stay.get("Effect") == "Deny" and stay["Action"] == "dynamodb:DeleteItem", "a tombstone goes")


def who_sets_it_up_sees_no_files(made):
    (policy,) = made["BootstrapRole"]["Properties"]["Policies"]
    for sid, statement in statements(policy["PolicyDocument"]).items():
        for resource in as_list(statement["Resource"]):
            if resource.startswith("arn:aws:s3:::") and sid != "FindObjects":
                prefix = resource.removeprefix("arn:aws:s3:::files/")
                expect(prefix in {"standing/*", "removed/*", "erased/*", "checkpoints/*", "superseded/*"}, f"{sid}: {prefix}")


def all_statements(role):
    return [each for policy in role["Properties"]["Policies"] for each in policy["PolicyDocument"]["Statement"]]


def root_keys_are_read_by_the_broker_and_changed_by_people(made):
    read, change = {"secretsmanager:GetSecretValue"}, {"secretsmanager:GetSecretValue", *BY_HAND}
    may = {"TaskRole": [read], "ExecutionRole": [], "BootstrapRole": [change], "KeysRole": [change]}
    for name in of_type(made, "AWS::IAM::Role"):
        secret = [each for each in all_statements(made[name]) if any(a.startswith("secretsmanager:") for a in as_list(each["Action"]))]
        expect([set(as_list(each["Action"])) for each in secret] == may[name], f"{name} and the root keys")
        expect(all(each["Resource"].endswith(":secret:keys-a") for each in secret), f"{name} reads other secrets")
        via = "secretsmanager.us-east-1.amazonaws.com"
        opened = [each for each in all_statements(made[name]) if each.get("Condition") == {"StringEquals": {"kms:ViaService": via}}]
        wanted = {"kms:Decrypt"} if may[name] == [read] else {"kms:Decrypt", "kms:GenerateDataKey"}
        expect([set(as_list(each["Action"])) for each in opened] == [wanted] * len(may[name]), f"{name} and the key of the secret")
        expect(all(each["Resource"] == key("core") for each in opened), f"{name} and other keys")


def data_keys_are_for_who_needs_them(made):
    for name in of_type(made, "AWS::IAM::Role"):
        used = [each["Resource"] for each in all_statements(made[name]) if is_for_a_tenant(each)]
        wanted = [key("data-keys"), key("former-data-keys")] if name in ("TaskRole", "BootstrapRole") else []
        expect(used == wanted, f"{name} and data keys: {used}")


def who_replaces_keys_sees_keys_alone(made):
    (policy,) = made["KeysRole"]["Properties"]["Policies"]
    said = statements(policy["PolicyDocument"])
    prefix = re.search(r'fn of_store[^}]*?format!\("([a-z]+#)', source("src/service/rows.rs"))[1]
    of_store = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{prefix}*"]}, "Null": {"dynamodb:LeadingKeys": "false"}}
    for sid, statement in said.items():
        for action in as_list(statement["Action"]):
            service, name = action.split(":")
            expect(service in ("dynamodb", "kms", "secretsmanager"), f"{sid}: {action}")
            if service == "dynamodb":
                expect(name in ("GetItem", "BatchGetItem", "Query") and statement.get("Condition") == of_store, f"{sid} reads others")


# --- service -------------------------------------------------------------------------------


def the_broker_is_contained(made):
    task = made["Task"]["Properties"]
    containers = {each["Name"]: each for each in task["ContainerDefinitions"]}
    expect(set(containers) == {"broker"}, "something runs beside it")
    for name, container in containers.items():
        expect(container.get("ReadonlyRootFilesystem") is True, f"{name} changes itself")
        expect(container.get("Privileged") is False, f"{name} is the host")
        expect(re.search(r"@sha256:[0-9a-f]{64}$", container["Image"]), f"{name} is whatever the tag says today")
    broker = containers["broker"]
    expect(broker.get("User") == "65532:65532", "root")
    expect(broker["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}, "capabilities")
    expect(broker["HealthCheck"]["Command"] == ["CMD", "/usr/local/bin/cloakroom", "health"], "nobody asks how it is")
    expect(not broker.get("Secrets"), "root keys among the variables of the broker")
    told = {each["Name"]: each["Value"] for each in broker["Environment"]}
    secret = f"secretsmanager:arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:keys-a"
    expect(told.get("CLOAKROOM_ROOT_KEYS") == secret, "root keys are elsewhere")
    expect(told.get("CLOAKROOM_KMS_KEY") == key("data-keys"), "root keys alone read everything")
    config = source("src/config.rs")
    expect(all(f'"{name}"' in config for name in told if name.startswith("CLOAKROOM_")), "settings that there are not")
    expect([each["SourceVolume"] for each in broker["MountPoints"]] == ["data"], "it writes elsewhere")
    service = made["Service"]["Properties"]
    expect(service.get("EnableExecuteCommand") is False, "a shell in production")
    expect(service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED", "a public address")


def it_is_reached_over_tls_alone(made):
    listener = made["Listener"]["Properties"]
    expect(listener["Protocol"] == "HTTPS" and listener["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-"), "old TLS")
    (nobody,) = listener["DefaultActions"]
    expect(nobody["FixedResponseConfig"]["StatusCode"] == "421", "any host is served")
    expect([each["Port"] for each in of_type(made, "AWS::ElasticLoadBalancingV2::Listener").values()] == [443], "another port")
    said = {each["Key"]: each["Value"] for each in made["Balancer"]["Properties"]["LoadBalancerAttributes"]}
    for name in ("deletion_protection.enabled", "routing.http.drop_invalid_header_fields.enabled", "routing.http.preserve_host_header.enabled"):
        expect(said.get(name) == "true", name)
    expect(said.get("routing.http.desync_mitigation_mode") == "strictest", "smuggled requests")
    for logical, group in of_type(made, "AWS::EC2::SecurityGroup").items():
        for rule in group["SecurityGroupIngress"]:
            if "CidrIp" in rule:
                expect((logical, rule["FromPort"], rule["ToPort"]) == ("BalancerGroup", 443, 443), f"{logical} is open")


def aws_is_reached_within_the_vpc(made):
    endpoints = of_type(made, "AWS::EC2::VPCEndpoint").values()
    wanted = {"dynamodb", "s3", "kms", "secretsmanager", "ecr.api", "ecr.dkr", "logs"}
    expect({each["ServiceName"].split(".", 3)[3] for each in endpoints} == wanted, "some go over the internet")
    for each in endpoints:
        if each["VpcEndpointType"] == "Gateway":
            for statement in each["PolicyDocument"]["Statement"]:
                expect("*" not in as_list(statement["Resource"]), "another bucket or table through our endpoint")
    said = {each["ServiceName"].split(".", 3)[3]: each.get("PolicyDocument", {}).get("Statement") for each in endpoints}
    secret = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:keys-a"
    keys = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"
    anybody = {"Effect": "Allow", "Principal": "*"}
    expect(said["secretsmanager"] == [{**anybody, "Action": ["secretsmanager:GetSecretValue"], "Resource": secret}], "other secrets")
    expect(said["kms"] == [{**anybody, "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": keys}], "keys of other accounts")


def the_log_is_sealed_and_ends(made):
    log = made["LogGroup"]["Properties"]
    expect(log.get("KmsKeyId") == key("core") and int(log.get("RetentionInDays", 0)) == 90, "the log is open, or stays")


def it_grows(made):
    scaling = made["Scaling"]["Properties"]
    expect(int(scaling["MinCapacity"]) >= 2 and int(scaling["MaxCapacity"]) > int(scaling["MinCapacity"]), "one replica")


# --- alarms, backup ----------------------------------------------------------------------------


def somebody_is_woken(made):
    alarms = of_type(made, "AWS::CloudWatch::Alarm")
    wanted = {"ErrorRate", "TooFewReady", "Slow", "LedgerBroken", "StoreReplaced", "Attacks", "TableThrottles", "CheckpointsNotCopied"}
    expect(set(alarms) == wanted, "an alarm is missing, or nobody has said what to do on it")
    expect(all(each.get("AlarmActions") == ["<AlarmTopic>"] for each in alarms.values()), "nobody is told")
    rate = alarms["ErrorRate"]
    expect(rate["Threshold"] == 5 and rate["ComparisonOperator"] == "GreaterThanThreshold", "more than 5 in 100")
    metrics = {each["Id"]: each.get("MetricStat", {}).get("Metric", {}).get("MetricName") for each in rate["Metrics"]}
    expect({"HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "RequestCount"} <= set(metrics.values()), "not all errors")
    events = set(re.findall(r'event = "(\w+)"', source("src/service/ledger_sweep.rs") + source("src/app/rounds.rs")))
    patterns = [each["FilterPattern"] for each in of_type(made, "AWS::Logs::MetricFilter").values()]
    asked = set(re.findall(r'\$\.event = "(\w+)"', " ".join(patterns)))
    expect(asked == {"ledger_broken", "redemption_unproven", "store_replaced"} and asked <= events, "the log has no such event")
    said = re.search(r'\$\.message = "([^"]+)"', made["AttacksFilter"]["Properties"]["FilterPattern"])[1]
    expect(f'"{said}"' in source("src/service/security.rs"), "the log has no such line")
    expect(made["AlarmTopic"]["Properties"].get("KmsMasterKeyId") == key("core"), "alarms are open")
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for each in alarms.values():
        name = each["AlarmName"].removeprefix("cloakroom-test-")
        expect(f"`{name}`" in operations, f"docs/operations.md does not say what to do on {name}")


def backups_are_made_and_stay(made):
    rules = {rule["RuleName"]: rule for rule in made["Plan"]["Properties"]["BackupPlan"]["BackupPlanRule"]}
    days = {name: rule.get("Lifecycle", {}).get("DeleteAfterDays") for name, rule in rules.items()}
    expect(days == {"daily": 7, "weekly": 28, "monthly": 186}, "other backups")
    expect(all("CopyActions" in rules[name] for name in ("weekly", "monthly")), "one region")
    vault = made["Vault"]["Properties"]
    expect(vault.get("LockConfiguration") == {"MinRetentionDays": 7, "MaxRetentionDays": 186}, "no lock")
    (deny,) = vault.get("AccessPolicy", {}).get("Statement") or [{}]
    expect(deny.get("Effect") == "Deny" and "backup:DeleteRecoveryPoint" in deny["Action"], "backups are deleted by hand")
    expect(vault.get("EncryptionKeyArn") == key("core"), "backups under another key")
    chosen = made["Selection"]["Properties"]["BackupSelection"]["Resources"]
    expect(chosen == [f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/rows", "arn:aws:s3:::files"], "something is left out")


EVERYWHERE = [every_bucket_is_closed, what_is_kept_outlives_its_stack, every_key_turns_and_stays, no_right_is_wider_than_it_says]
RULES = {
    "core": [the_table_is_kept, root_keys_are_sealed, data_keys_have_a_key_of_their_own, checkpoints_are_locked],
    "bucket": [
        signatures_age,
        files_are_under_a_key_of_their_own,
        what_nobody_wants_any_more_goes,
        only_pages_of_ours_talk_to_the_bucket,
        checkpoints_are_copied_and_never_uncopied,
        the_edge_reads_artifacts_alone,
    ],
    "tenant": [every_access_is_recorded],
    "edge": [
        artifacts_want_cookies,
        nothing_is_kept_for_long_at_the_edge,
        codes_go_to_the_broker,
        the_edge_answers_as_the_broker_does,
        floods_are_held_back,
        no_log_lets_anybody_in,
    ],
    "roles": [
        the_broker_may_do_what_it_does,
        rights_end_at_prefixes,
        who_sets_it_up_sees_no_files,
        root_keys_are_read_by_the_broker_and_changed_by_people,
        data_keys_are_for_who_needs_them,
        who_replaces_keys_sees_keys_alone,
    ],
    "service": [
        the_broker_is_contained,
        it_is_reached_over_tls_alone,
        aws_is_reached_within_the_vpc,
        the_log_is_sealed_and_ends,
        it_grows,
    ],
    "alarms": [somebody_is_woken],
    "backup": [backups_are_made_and_stay],
}


def no_parameter_takes_a_promise_back(read):
    most = {"MaxSignatureAgeMilliseconds": 600_000, "LogRetentionDays": 3_650}
    for name, parameter in read["Parameters"].items():
        if name in most and "MaxValue" in parameter:
            expect(parameter["MaxValue"] <= most[name], f"{name} takes a promise back")


def check(name, read):
    no_parameter_takes_a_promise_back(read)
    made = resources(read, GIVEN[name])
    for rule in EVERYWHERE + RULES[name]:
        rule(made)


class Promises(unittest.TestCase):
    def test_every_template_has_rules(self):
        self.assertEqual(set(RULES), set(names()))

    def test_every_template_keeps_its_promises(self):
        for name in names():
            with self.subTest(name):
                check(name, template.load(text(name)))

    def test_a_template_fits_into_a_request(self):
        # CloudFormation takes no longer text without a bucket to read it from.
        for name in names():
            self.assertLess(len(text(name).encode()), 51_200, name)

    def test_a_broker_writes_root_keys_only_where_it_is_told_to_replace_them(self):
        # What it may not do by default is said above.
        made = resources(template.load(text("roles")), GIVEN["roles"] | {"BrokerReplacesRootKeys": "true"})
        self.assertEqual(actions(made["TaskRole"]["Properties"], "secretsmanager"), {"secretsmanager:GetSecretValue", *BY_HAND})
        said = {each.get("Sid"): each for each in all_statements(made["TaskRole"])}
        self.assertEqual(said["OpenTheRootKeys"]["Action"], ["kms:Decrypt", "kms:GenerateDataKey"])
        self.assertIn("kms:ViaService", said["OpenTheRootKeys"]["Condition"]["StringEquals"])
        for rule in EVERYWHERE:
            rule(made)
        service = resources(template.load(text("service")), GIVEN["service"] | {"RootKeyDays": "90"})
        told = {each["Name"]: each["Value"] for each in service["Task"]["Properties"]["ContainerDefinitions"][0]["Environment"]}
        self.assertEqual(told["CLOAKROOM_ROOT_KEY_DAYS"], "90")
        self.assertIn('"CLOAKROOM_ROOT_KEY_DAYS"', source("src/config.rs"))
        (statement,) = service["SecretsEndpoint"]["Properties"]["PolicyDocument"]["Statement"]
        self.assertEqual(set(statement["Action"]), {"secretsmanager:GetSecretValue", *BY_HAND})

    def test_an_emulator_is_given_a_bucket_without_keys(self):
        given = {"BucketName": "files", "AllowedOrigins": "http://localhost:*"}
        made = resources(template.load(text("bucket")), given)
        self.assertEqual(set(made), {"Bucket", "BucketPolicy"})
        signatures_age(made)
        every_bucket_is_closed(made)


# --- and without them ------------------------------------------------------------------------

GONE = object()
POLICY = "Resources.{}.Properties.PolicyDocument.Statement.{}"
ROLE = "Resources.{}.Properties.Policies.{}.PolicyDocument.Statement.{}"


# What a template loses, one at a time.
LOST = [
    ("core", "Resources.Table.Properties.PointInTimeRecoverySpecification"),
    ("core", "Resources.Table.Properties.TimeToLiveSpecification"),
    ("core", "Resources.Table.Properties.SSESpecification.KMSMasterKeyId"),
    ("core", "Resources.Table.Properties.DeletionProtectionEnabled.If.1"),
    ("core", "Resources.Table.DeletionPolicy"),
    ("core", "Resources.Key.Properties.EnableKeyRotation"),
    ("core", "Resources.Key.Properties.PendingWindowInDays"),
    ("core", "Resources.Key.Properties.KeyPolicy.Statement.1"),
    ("core", "Resources.Key.Properties.KeyPolicy.Statement.2.Condition"),
    ("core", "Resources.RootKeys.Properties.KmsKeyId"),
    ("core", "Resources.DataKeysKey.DeletionPolicy"),
    ("core", "Resources.DataKeysKey.Properties.EnableKeyRotation"),
    ("core", "Resources.DataKeysKey.Properties.MultiRegion"),
    ("core", "Resources.DataKeysKey.Properties.Tags"),
    *[("core", f"Resources.DataKeysKey.Properties.KeyPolicy.Statement.{number}") for number in range(1, 6)],
    ("core", "Resources.DataKeysKey.Properties.KeyPolicy.Statement.2.Condition"),
    ("core", "Resources.DataKeysKey.Properties.KeyPolicy.Statement.4.Condition"),
    ("core", "Resources.DataKeysKey.Properties.KeyPolicy.Statement.5.Condition"),
    ("core", "Resources.AuditBucket.Properties.ObjectLockEnabled"),
    ("core", "Resources.AuditBucket.Properties.ObjectLockConfiguration"),
    ("core", "Resources.AuditBucket.Properties.ObjectLockConfiguration.Rule"),
    ("core", "Resources.AuditBucket.Properties.PublicAccessBlockConfiguration"),
    ("core", "Resources.AuditBucket.Properties.LifecycleConfiguration.Rules.1"),
    ("core", POLICY.format("AuditBucketPolicy", 0)),
    ("core", POLICY.format("AuditBucketPolicy", 1)),
    ("bucket", "Resources.Bucket.Properties.PublicAccessBlockConfiguration"),
    ("bucket", "Resources.Bucket.Properties.PublicAccessBlockConfiguration.RestrictPublicBuckets"),
    ("bucket", "Resources.Bucket.Properties.BucketEncryption"),
    ("bucket", "Resources.Bucket.Properties.VersioningConfiguration"),
    ("bucket", "Resources.Bucket.Properties.ReplicationConfiguration"),
    ("bucket", "Resources.Bucket.DeletionPolicy"),
    *[("bucket", f"Resources.Bucket.Properties.LifecycleConfiguration.Rules.{number}") for number in range(6)],
    ("bucket", POLICY.format("BucketPolicy", 0)),
    ("bucket", POLICY.format("BucketPolicy", 1)),
    ("bucket", "Resources.BucketPolicy"),
    ("bucket", ROLE.format("CopyingRole", 0, 3) + ".Condition"),
    ("tenant", "Resources.Record.Properties.EnableLogFileValidation"),
    ("tenant", "Resources.Record.Properties.KMSKeyId"),
    ("tenant", "Resources.Key.Properties.KeyPolicy.Statement.1"),
    ("tenant", "Resources.RecordBucket.Properties.ObjectLockEnabled"),
    ("tenant", POLICY.format("RecordBucketPolicy", 2) + ".Condition"),
    ("edge", "Resources.Distribution.Properties.DistributionConfig.DefaultCacheBehavior.TrustedKeyGroups"),
    ("edge", "Resources.Distribution.Properties.DistributionConfig.DefaultCacheBehavior.FunctionAssociations"),
    ("edge", "Resources.Distribution.Properties.DistributionConfig.WebACLId"),
    ("edge", "Resources.Distribution.Properties.DistributionConfig.CacheBehaviors"),
    ("edge", "Resources.Distribution.Properties.DistributionConfig.Origins.0.OriginAccessControlId"),
    ("edge", "Resources.Firewall.Properties.Rules.0"),
    ("edge", "Resources.Firewall.Properties.Rules.1"),
    ("edge", "Resources.FirewallLogging.Properties.RedactedFields.0"),
    ("edge", "Resources.Answers.Properties.ResponseHeadersPolicyConfig.SecurityHeadersConfig.ContentTypeOptions"),
    ("roles", ROLE.format("TaskRole", 0, 1) + ".Condition"),
    ("roles", ROLE.format("TaskRole", 0, 2) + ".Condition"),
    ("roles", ROLE.format("TaskRole", 0, 3)),
    ("roles", ROLE.format("TaskRole", 2, 0) + ".Condition"),
    ("roles", ROLE.format("TaskRole", 1, 1) + ".Action.3"),
    ("roles", ROLE.format("TaskRole", 1, 2)),
    ("roles", ROLE.format("TaskRole", 2, 2)),
    ("roles", ROLE.format("TaskRole", 2, 3)),
    ("roles", ROLE.format("TaskRole", 2, 3) + ".Condition"),
    ("roles", ROLE.format("TaskRole", 2, 4)),
    *[
        ("roles", f"{ROLE.format(role, policy, number)}.Condition{test}")
        for role, policy, number in (("TaskRole", 2, 4), ("BootstrapRole", 0, 9))
        for test in (
            "",
            ".StringEquals",
            ".StringLike",
            ".StringLike.kms:EncryptionContext:cloakroom:deployment",
            ".StringLike.kms:EncryptionContext:cloakroom:tenant",
            ".ForAllValues:StringEquals",
        )
    ],
    ("roles", ROLE.format("TaskRole", 2, 5) + ".If.1.Condition"),
    ("roles", ROLE.format("BootstrapRole", 0, 7) + ".Action.2"),
    ("roles", ROLE.format("BootstrapRole", 0, 9)),
    ("roles", ROLE.format("KeysRole", 0, 0) + ".Condition"),
    ("roles", ROLE.format("KeysRole", 0, 0) + ".Condition.Null"),
    ("roles", ROLE.format("KeysRole", 0, 1) + ".Condition"),
    ("roles", ROLE.format("KeysRole", 0, 2) + ".Action.2"),
    ("roles", ROLE.format("KeysRole", 0, 3) + ".Condition"),
    ("roles", "Resources.TaskRole.Properties.AssumeRolePolicyDocument.Statement.0.Condition"),
    ("service", "Resources.Task.Properties.ContainerDefinitions.0.User"),
    ("service", "Resources.Task.Properties.ContainerDefinitions.0.ReadonlyRootFilesystem"),
    ("service", "Resources.Task.Properties.ContainerDefinitions.0.LinuxParameters.Capabilities"),
    ("service", "Resources.Task.Properties.ContainerDefinitions.0.Environment.5"),
    ("service", "Resources.Task.Properties.ContainerDefinitions.0.Environment.6"),
    ("service", "Resources.Task.Properties.ContainerDefinitions.0.MountPoints.0"),
    ("service", "Resources.Service.Properties.EnableExecuteCommand"),
    ("service", "Resources.LogGroup.Properties.KmsKeyId"),
    ("service", "Resources.LogGroup.Properties.RetentionInDays"),
    ("service", "Resources.KmsEndpoint"),
    ("service", "Resources.KmsEndpoint.Properties.PolicyDocument"),
    ("service", "Resources.SecretsEndpoint.Properties.PolicyDocument"),
    ("service", "Resources.Balancer.Properties.LoadBalancerAttributes.1"),
    ("alarms", "Resources.ErrorRate"),
    ("alarms", "Resources.ErrorRate.Properties.AlarmActions"),
    ("alarms", "Resources.AlarmTopic.Properties.KmsMasterKeyId"),
    ("backup", "Resources.Vault.Properties.LockConfiguration"),
    ("backup", "Resources.Vault.Properties.AccessPolicy"),
    ("backup", "Resources.Plan.Properties.BackupPlan.BackupPlanRule.2"),
    ("backup", "Resources.Plan.Properties.BackupPlan.BackupPlanRule.2.CopyActions"),
]
# What is put in the place of something.
WIDENED = [
    ("core", "Parameters.AuditRetentionDays.Default", 1),
    ("core", "Parameters.DeletionProtection.Default", "false"),
    ("core", "Resources.RootKeys.Properties.SecretString", "hunter2"),
    ("core", "Resources.Table.Properties.SSESpecification.KMSMasterKeyId", template.Tag({"GetAtt": "DataKeysKey.Arn"})),
    ("core", "Resources.DataKeysKey.Properties.KeyPolicy.Statement.0.Principal", {"AWS": "*"}),
    ("core", "Resources.DataKeysKey.Properties.KeyPolicy.Statement.4.Condition.StringNotLike", {CONTEXT.format("tenant"): "*"}),
    ("bucket", "Parameters.MaxSignatureAgeMilliseconds.Default", 3_600_000),
    ("bucket", "Parameters.MaxSignatureAgeMilliseconds.MaxValue", 604_800_000),
    ("bucket", POLICY.format("BucketPolicy", 1) + ".Action", "s3:GetObject"),
    ("bucket", POLICY.format("BucketPolicy", 0) + ".Condition.Bool", {"aws:SecureTransport": "true"}),
    ("bucket", "Resources.Bucket.Properties.CorsConfiguration.CorsRules.0.AllowedOrigins", ["*"]),
    ("bucket", "Resources.Bucket.Properties.BucketEncryption.ServerSideEncryptionConfiguration.0.If.1.BucketKeyEnabled", False),
    ("bucket", ROLE.format("CopyingRole", 0, 2) + ".Action.0", "s3:ReplicateDelete"),
    ("bucket", ROLE.format("CopyingRole", 0, 1) + ".Resource", "arn:aws:s3:::files/*"),
    ("tenant", "Resources.Record.Properties.IsLogging", False),
    ("edge", "Resources.ShortLife.Properties.CachePolicyConfig.MaxTTL", 86_400),
    ("edge", "Resources.OriginAccess.Properties.OriginAccessControlConfig.SigningBehavior", "never"),
    ("edge", "Resources.Log.Properties.RecordFields.0", "cs(Cookie)"),
    ("edge", "Resources.Distribution.Properties.DistributionConfig.ViewerCertificate.MinimumProtocolVersion", "TLSv1"),
    ("roles", ROLE.format("TaskRole", 0, 0) + ".Resource", "*"),
    ("roles", ROLE.format("TaskRole", 0, 0) + ".Action.0", "dynamodb:Scan"),
    ("roles", ROLE.format("TaskRole", 0, 0) + ".Action.0", "dynamodb:*"),
    ("roles", ROLE.format("TaskRole", 1, 1) + ".Resource", "arn:aws:s3:::files/*"),
    ("roles", ROLE.format("TaskRole", 1, 1) + ".Action.0", "s3:PutObjectAcl"),
    ("roles", ROLE.format("BootstrapRole", 0, 5) + ".Resource.0", "arn:aws:s3:::files/vault/*"),
    ("roles", "Parameters.BrokerReplacesRootKeys.Default", "true"),
    ("roles", ROLE.format("TaskRole", 2, 2) + ".Resource", "arn:aws:secretsmanager:us-east-1:000000000000:secret:*"),
    ("roles", ROLE.format("TaskRole", 2, 2) + ".Action", ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]),
    ("roles", ROLE.format("TaskRole", 2, 4) + ".Action.0", "kms:GenerateDataKey"),
    ("roles", ROLE.format("TaskRole", 2, 4) + ".Resource", key("core")),
    ("roles", ROLE.format("TaskRole", 2, 4) + ".Condition.StringLike.kms:EncryptionContext:cloakroom:tenant", "*"),
    ("roles", ROLE.format("TaskRole", 2, 4) + ".Condition.StringLike.kms:EncryptionContext:cloakroom:deployment", "*"),
    ("roles", ROLE.format("TaskRole", 2, 5) + ".If.1.Action", ["kms:Encrypt", "kms:Decrypt"]),
    ("roles", ROLE.format("KeysRole", 0, 0) + ".Action.0", "dynamodb:Scan"),
    ("roles", ROLE.format("KeysRole", 0, 0) + ".Condition.ForAllValues:StringLike", {"dynamodb:LeadingKeys": ["*"]}),
    ("service", "Resources.BrokerGroup.Properties.SecurityGroupIngress.0", {"FromPort": 8080, "ToPort": 8082, "CidrIp": "0.0.0.0/0"}),
    ("service", "Parameters.RootKeyDays.Default", "90"),
    ("service", "Parameters.TlsPolicy.Default", "ELBSecurityPolicy-2016-08"),
    ("service", "Resources.Service.Properties.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp", "ENABLED"),
    ("service", "Resources.BucketEndpoint.Properties.PolicyDocument.Statement.0.Resource", "*"),
    ("service", "Resources.KmsEndpoint.Properties.PolicyDocument.Statement.0.Resource", "*"),
    ("service", "Resources.SecretsEndpoint.Properties.PolicyDocument.Statement.0.Action", "secretsmanager:*"),
    ("service", "Resources.Task.Properties.ContainerDefinitions.0.Environment.5.Value", "env:ROOT_KEYS"),
    ("alarms", "Resources.ErrorRate.Properties.Threshold", 50),
    ("alarms", "Resources.LedgerBrokenFilter.Properties.FilterPattern", '{ $.event = "ledger_borken" }'),
]


def changed(read, path, value):
    holder, steps = read, [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps[:-1]:
        holder = holder[step]
    if value is not GONE:
        holder[steps[-1]] = value
    else:
        # A path that leads nowhere is a mistake of the list.
        del holder[steps[-1]]
    return read


class Broke(unittest.TestCase):
    def test_each_promise_that_is_taken_out_is_missed(self):
        whole = {name: template.load(text(name)) for name in names()}
        for name, path, *value in [(*each, GONE) for each in LOST] + WIDENED:
            with self.subTest(f"{name}: {path} {value}"):
                broken = changed(copy.deepcopy(whole[name]), path, value[0])
                with self.assertRaises((Broken, KeyError, ValueError, template.Wrong)):
                    check(name, broken)


if __name__ == "__main__":
    unittest.main()
