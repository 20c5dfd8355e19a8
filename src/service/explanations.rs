//! What would happen now if somebody opened a share, and why: for its owner alone. The answer comes from the very transition that opens it,
//! on the rows as they are now, and changes nothing.

use crate::{
    crypto::grant_hash::grant_hash,
    domain::{ids::ShareId, instant::Instant, network::ClientAddress, refusal::Refusal},
};

use super::{
    Broker, Caller, Error,
    presented_shares::{Opening, Presented},
};

/// What would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// It would open.
    Opens,
    /// It would say that it opens later.
    Later {
        /// When.
        opens_at: Instant,
    },
    /// It would be refused, with the one answer that says nothing.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// An explanation.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What would happen to somebody who opens it now.
    pub foreseen: Foreseen,
    /// Whether they would have to be one of its recipients, and to enter a code.
    pub wants_code: bool,
    /// How many may still claim it.
    pub redemptions_left: u32,
    /// Paths that it was minted for, and that its minter may not give any more.
    pub withheld: Vec<String>,
}

impl Broker {
    /// What would happen if somebody at this address opened one of the caller's shares now.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn explain_share(
        &self,
        caller: &Caller,
        id: ShareId,
        from: Option<ClientAddress>,
    ) -> Result<Explanation, Error> {
        let (row, _) = self.own_share(caller, id).await?;
        let grant = &row.value.grant;
        let hash = grant_hash(grant);
        let presented = Presented::to_claim(caller.namespace().tenant, id, hash);
        let from = from.unwrap_or(caller.asking.from);
        let rows = match self.share_rows((caller.namespace().tenant, id), None, &hash).await? {
            Ok(rows) => rows,
            Err(reason) => {
                let foreseen = Foreseen::Refused { reason };
                return Ok(Explanation { foreseen, wants_code: false, redemptions_left: 0, withheld: Vec::new() });
            }
        };
        let foreseen = match rows.open(&presented, None, self.now(), from) {
            Ok(Opening::Later { opens_at }) => Foreseen::Later { opens_at },
            Ok(Opening::Claims { .. } | Opening::Moves { .. } | Opening::Returns { .. }) => Foreseen::Opens,
            Err(reason) => Foreseen::Refused { reason },
        };
        let withheld = match &rows.minter {
            Some(minter) => grant.withheld(&minter.grants).map(ToString::to_string).collect(),
            None => grant.pins.as_slice().iter().map(ToString::to_string).collect(),
        };
        Ok(Explanation {
            foreseen,
            wants_code: rows.addressed.is_some(),
            redemptions_left: rows.conditions.terms.redemptions.saturating_sub(rows.state.value.claims),
            withheld,
        })
    }
}
