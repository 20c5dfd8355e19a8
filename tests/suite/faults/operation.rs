//! Which call of Amazon's a request is, told by its head.

/// The name of the call, as Amazon gives it: of DynamoDB by `X-Amz-Target`, of S3 by method, target and headers.
pub fn named(line: &str, headers: &str) -> String {
    let header = |name: &str| {
        let lines = headers.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    };
    if let Some((_, operation)) = header("x-amz-target").and_then(|target| target.split_once('.')) {
        return operation.to_owned();
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_object = path.trim_matches('/').contains('/');
    let has = |parameter: &str| query.split('&').any(|pair| pair.split('=').next() == Some(parameter));
    let copies = header("x-amz-copy-source").is_some();
    match (method, is_object) {
        ("HEAD", false) => "HeadBucket",
        ("HEAD", true) => "HeadObject",
        ("GET", false) if has("list-type") => "ListObjectsV2",
        ("GET", false) if has("versions") => "ListObjectVersions",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", true) if has("uploadId") => "ListParts",
        ("GET", true) => "GetObject",
        ("PUT", true) if copies && has("partNumber") => "UploadPartCopy",
        ("PUT", true) if copies => "CopyObject",
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) => "PutObject",
        ("POST", false) if has("delete") => "DeleteObjects",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        _ => panic!("no call of S3 that is known here: {line}"),
    }
    .to_owned()
}
