//! `cloakroom adopt`: says what is to be thought of a store that is not the one that was served last, and takes it over. For
//! whoever has the data directory, or the cloud account.

use clap::Args;

use crate::{
    app::{MissingKeys, StartError},
    config::{Given, StoreConfig},
    domain::{
        standing::{Adoption, Standing},
        tenant::Namespace,
    },
};

use super::{Failed, bootstrap::open, keys::are_there, remark, runtime, say};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// It was restored from a backup: end everything that was made before, keys and sessions included
    #[arg(long, conflicts_with = "moved")]
    restored: bool,
    /// It is the same one in another place: nothing has served another copy of it since it was last served
    #[arg(long)]
    moved: bool,
    #[command(flatten)]
    given: Given,
}

const SAME: &str = "This store is the one that was served last, and may be served: there is nothing to adopt.";

const ELSEWHERE: &str = "\
This store is not where it was when it was last served. Which is true?

  It was moved: stopped, and put in another place, or on another disk.
  No other copy of it has been served since.

      cloakroom adopt --moved       keeps everything as it is

  It was restored from a backup, or a copy of it has been served since, or
  you are not sure.

      cloakroom adopt --restored    ends all that was made before: shares, links,
                                    file requests, sessions, and the use of all
                                    API keys and users until an administrator
                                    reinstates them. Files stay.
";

const BEHIND: &str = "\
This store is older than what was served last: it was restored from a backup,
or put back. What was used up or revoked since would be good again. So

      cloakroom adopt --restored    ends all that was made before: shares, links,
                                    file requests, sessions, and the use of all
                                    API keys and users until an administrator
                                    reinstates them. Files stay.
";

pub(super) fn run(arguments: Arguments) -> Result<(), Failed> {
    let Arguments { restored, moved, given } = arguments;
    let config = given.complete()?;
    // Under keys that are made now nothing opens that was written before.
    if !are_there(&config.root_keys)? {
        return Err(format!("{} is not there: a store is adopted with its root keys", config.root_keys).into());
    }
    runtime()?.block_on(async {
        let parts = open(&config, MissingKeys::Refuse).await?;
        let broker = &parts.broker;
        match (broker.store_standing().await?, restored, moved) {
            (Standing::New | Standing::Same, false, _) => say(SAME)?,
            (Standing::Newer, ..) => return Err(StartError::NotAdopted(Standing::Newer).into()),
            (Standing::Elsewhere, false, false) => return Err(ELSEWHERE.into()),
            (Standing::Behind, false, false) => return Err(BEHIND.into()),
            (_, false, true) => {
                broker.adopt_moved().await?;
                say("The store is adopted, as it is.")?;
            }
            (_, true, _) => {
                remark("Ending what was made before, tenant by tenant; cut off, the same command goes on.");
                let adoption = broker
                    .adopt_restored(|gap| {
                        let Namespace { tenant, mode } = gap.namespace;
                        let (mode, has, lost) = (mode.as_str(), gap.has, gap.had.saturating_sub(gap.has));
                        remark(format!("{tenant} ({mode}): {lost} records after {has} are lost, by its checkpoints"));
                    })
                    .await?;
                let Adoption { tenants, lost, erased_again, .. } = adoption;
                say(format!(
                    "The store is adopted. Tenants: {tenants}. Records known to be lost: {lost}. People to be erased again, once it is served: {erased_again}.\n\n\
                     Nothing that was made before opens any more. Next:\n\n    \
                     cloakroom recover-admin              # an operator's key for you\n    \
                     cloakroom tenant cut-off TENANT      # an administrator's key for each other tenant\n    \
                     cloakroom api-key list               # look at the keys of yours that were cut off, and then\n    \
                     cloakroom api-key reinstate KEY      # those that were not revoked since the backup"
                ))?;
                if config.store == StoreConfig::Embedded {
                    remark("Files that were deleted since the backup may be listed and not be there any more.");
                }
            }
        }
        parts.close().await;
        Ok(())
    })
}
