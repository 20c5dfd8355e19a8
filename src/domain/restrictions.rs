//! What narrows a share or link beyond what it gives and for how long: from where it may be used, and by whom claimed.
//!
//! Asked in one way of whoever looks, redeems, moves, or acts in a session.

use serde::{Deserialize, Serialize};

use super::{
    network::{ClientAddress, Network},
    recipient::ListMark,
    refusal::Refusal,
};

/// The most networks that are named for one share or link.
pub const MOST_NETWORKS: usize = 50;

/// Networks from which something may be used: 1 to 50, sorted, none twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Network>", into = "Vec<Network>")]
pub struct AllowedNetworks(Vec<Network>);

/// Not 1 to 50 networks; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has 1 to 50 networks; leave it out for what may be used from everywhere")]
pub struct NotAllowedNetworks;

impl AllowedNetworks {
    /// The networks, sorted.
    pub fn as_slice(&self) -> &[Network] {
        &self.0
    }

    /// Whether each of them lies in one of the others.
    pub fn are_inside(&self, others: &Self) -> bool {
        self.0.iter().all(|network| others.hold(network))
    }

    /// Those of them that lie in one of the others. Where none does, nobody is admitted.
    pub(super) fn inside(&self, others: &Self) -> Self {
        Self(self.0.iter().filter(|network| others.hold(network)).copied().collect())
    }

    fn hold(&self, network: &Network) -> bool {
        self.0.iter().any(|own| own.holds(network))
    }
}

impl TryFrom<Vec<Network>> for AllowedNetworks {
    type Error = NotAllowedNetworks;

    fn try_from(mut networks: Vec<Network>) -> Result<Self, NotAllowedNetworks> {
        if networks.is_empty() || networks.len() > MOST_NETWORKS {
            return Err(NotAllowedNetworks);
        }
        networks.sort_unstable();
        networks.dedup();
        Ok(Self(networks))
    }
}

impl From<AllowedNetworks> for Vec<Network> {
    fn from(networks: AllowedNetworks) -> Self {
        networks.0
    }
}

/// What a share or link is restricted to; nothing where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restrictions {
    /// From where alone it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<AllowedNetworks>,
    /// The mark of those to whom alone it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<ListMark>,
}

impl Restrictions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether whoever asks from there may use it.
    ///
    /// # Errors
    /// The real reason why not, which they must not be told.
    pub fn admits(&self, from: ClientAddress) -> Result<(), Refusal> {
        match &self.networks {
            Some(networks) if !networks.0.iter().any(|network| network.contains(from)) => Err(Refusal::WrongNetwork),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Result<AllowedNetworks, NotAllowedNetworks> {
        AllowedNetworks::try_from(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Network>>())
    }

    fn from(text: &str) -> ClientAddress {
        ClientAddress::new(text.parse().unwrap())
    }

    #[test]
    fn one_to_fifty_networks_are_named_each_once() {
        assert_eq!(networks(&[]), Err(NotAllowedNetworks));
        let many: Vec<_> = (0..51).map(|number| format!("10.0.{number}.0/24")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(networks(&many[..50]).is_ok());
        assert_eq!(networks(&many), Err(NotAllowedNetworks));
        let written = serde_json::to_string(&networks(&["10.1.2.3/8", "192.0.2.7", "10.0.0.0/8"]).unwrap()).unwrap();
        assert_eq!(written, r#"["10.0.0.0/8","192.0.2.7/32"]"#);
    }

    #[test]
    fn who_asks_from_elsewhere_is_refused() {
        let restrictions =
            Restrictions { networks: networks(&["192.0.2.0/24", "2001:db8::/32"]).ok(), recipients: None };
        for inside in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8:1::1"] {
            assert_eq!(restrictions.admits(from(inside)), Ok(()), "{inside}");
        }
        for outside in ["192.0.3.7", "::ffff:192.0.3.7", "2001:db9::1", "127.0.0.1", "::1"] {
            assert_eq!(restrictions.admits(from(outside)), Err(Refusal::WrongNetwork), "{outside}");
        }
        assert_eq!(Restrictions::default().admits(from("203.0.113.1")), Ok(()));
    }
}
