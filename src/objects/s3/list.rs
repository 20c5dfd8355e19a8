//! Lists of objects, in the order of their keys.

use aws_sdk_s3::types::Object;

use crate::{
    domain::instant::Instant,
    objects::{ListedObject, ObjectFolder, ObjectKey, Unavailable},
};

use super::{S3Storage, answers::unavailable};

/// S3 gives no more in one answer.
const LONGEST_LIST: i32 = 1000;

impl S3Storage {
    pub(super) async fn listed(
        &self,
        folder: ObjectFolder,
        after: Option<&ObjectKey>,
    ) -> Result<Vec<ListedObject>, Unavailable> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(folder.prefix())
            .set_start_after(after.map(|key| key.as_str().to_owned()))
            .max_keys(LONGEST_LIST)
            .send()
            .await
            .map_err(|error| unavailable("ListObjectsV2", &error))?;
        let half = || Unavailable("ListObjectsV2 answered with half an object".into());
        answer.contents().iter().map(|object| listed(folder, object).ok_or_else(half)).collect()
    }
}

fn listed(folder: ObjectFolder, object: &Object) -> Option<ListedObject> {
    let name = object.key()?.strip_prefix(&folder.prefix())?;
    let created_at = u64::try_from(object.last_modified()?.to_millis().ok()?).ok()?;
    Some(ListedObject {
        key: ObjectKey::in_folder(folder, name),
        size: u64::try_from(object.size()?).ok()?,
        created_at: Instant::from_unix_millis(created_at),
    })
}
