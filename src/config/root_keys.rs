//! Where root keys may be replaced by the broker itself.

use crate::keys::{schedule, source::KeySource};

use super::{ConfigError, StoreConfig, wrong};

const SETTING: &str = "CLOAKROOM_ROOT_KEY_DAYS";

/// Each replica would make a key of its own, in a file of its own.
pub(super) fn check_days(days: u16, root_keys: &KeySource, store: &StoreConfig) -> Result<(), ConfigError> {
    if !schedule::DAYS.contains(&days) {
        return Err(wrong(SETTING, "must be 30 to 3650"));
    }
    let is_shared = match root_keys {
        KeySource::Secret(_) => true,
        KeySource::File(_) => *store == StoreConfig::Embedded,
        KeySource::Environment(_) | KeySource::Parameter(_) => false,
    };
    if is_shared {
        return Ok(());
    }
    Err(wrong(
        SETTING,
        format!(
            "root keys in {root_keys} cannot be replaced by the broker: let all replicas share a secret \
             (CLOAKROOM_ROOT_KEYS=secretsmanager:ID), or leave it to cloakroom keys"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_replaced_where_nobody_makes_another_at_the_same_time() {
        let places =
            ["keys.json", "env:KEYS", "ssm:keys", "secretsmanager:keys"].map(|text| KeySource::from(text.to_owned()));
        let dynamodb = StoreConfig::Dynamodb { table: "cloakroom".into(), endpoint: None };
        let allowed = |store| places.each_ref().map(|place| check_days(30, place, store).is_ok());
        assert_eq!(allowed(&StoreConfig::Embedded), [true, false, false, true]);
        assert_eq!(allowed(&dynamodb), [false, false, false, true]);
        for (days, is_right) in [(29, false), (30, true), (3_650, true), (3_651, false)] {
            assert_eq!(check_days(days, &places[3], &dynamodb).is_ok(), is_right, "{days}");
        }
    }
}
