//! Addresses of clients, and networks they may lie in.
//!
//! Never here: where an address is read from. That is one place in `http`.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// Where a request comes from, as far as proxies that are trusted say so. An IPv4 address is one
/// in whichever way it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

/// What one client counts as: an IPv4 address, or the /64 of an IPv6 one, which is the least that
/// a provider gives a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressBlock(IpNet);

impl ClientAddress {
    /// The client at this address.
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// The address itself.
    pub const fn ip(self) -> IpAddr {
        self.0
    }

    /// What is counted together with it.
    pub fn block(self) -> AddressBlock {
        AddressBlock(match self.0 {
            IpAddr::V4(_) => self.0.into(),
            IpAddr::V6(address) => IpNet::V6(Ipv6Net::new_assert(address, 64).trunc()),
        })
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One network, or one address, in its one spelling: no bits beyond its length, and IPv4 as such in whichever
/// way it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// A text that is no network; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is written as an address or network, such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32")]
pub struct NotANetwork;

impl Network {
    /// Whether the client is in it.
    pub fn contains(&self, client: ClientAddress) -> bool {
        self.0.contains(&client.ip())
    }

    /// Whether every address of the other is in it.
    pub fn holds(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        let network = network.map_err(|_| NotANetwork)?.trunc();
        let mapped = match network {
            // ::ffff:0:0/96 holds the addresses of IPv4.
            IpNet::V6(v6) if v6.prefix_len() >= 96 => {
                v6.addr().to_ipv4_mapped().and_then(|address| Ipv4Net::new(address, v6.prefix_len() - 96).ok())
            }
            _ => None,
        };
        Ok(Self(mapped.map_or(network, IpNet::V4)))
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Networks, as operators write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// A text that is no list of networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no network: write addresses and networks such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32, with commas between"
)]
pub struct NotNetworks(String);

impl Networks {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the client is in one of them.
    pub fn contain(&self, client: ClientAddress) -> bool {
        self.0.iter().any(|network| network.contains(client))
    }

    /// Whether they hold every address there is of a kind: trusted proxies must not.
    pub fn are_everywhere(&self) -> bool {
        self.0.iter().any(|network| network.0.prefix_len() == 0)
    }
}

impl FromStr for Networks {
    type Err = NotNetworks;

    fn from_str(text: &str) -> Result<Self, NotNetworks> {
        let network = |text: &str| text.parse::<Network>().map_err(|_| NotNetworks(text.into()));
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(network).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> ClientAddress {
        ClientAddress::new(text.parse().unwrap())
    }

    #[test]
    fn an_address_counts_for_itself_or_with_its_64() {
        assert_ne!(client("192.0.2.1").block(), client("192.0.2.2").block());
        assert_eq!(client("192.0.2.1").block(), client("::ffff:192.0.2.1").block());
        assert_eq!(client("2001:db8:0:1::1").block(), client("2001:db8:0:1:ffff:ffff:ffff:ffff").block());
        assert_ne!(client("2001:db8:0:1::1").block(), client("2001:db8:0:2::1").block());
    }

    #[test]
    fn networks_contain_what_they_say() {
        let networks: Networks = "10.0.0.0/8, 192.0.2.7,2001:db8::/32,".parse().unwrap();
        for inside in ["10.255.0.1", "::ffff:10.0.0.1", "192.0.2.7", "2001:db8:ffff::1"] {
            assert!(networks.contain(client(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1"] {
            assert!(!networks.contain(client(outside)), "{outside}");
        }
        assert!(!Networks::default().contain(client("127.0.0.1")));
        for everywhere in ["0.0.0.0/0", "10.0.0.0/8,::/0"] {
            assert!(everywhere.parse::<Networks>().unwrap().are_everywhere());
        }
        assert!(!networks.are_everywhere());
    }

    #[test]
    fn a_network_has_one_spelling() {
        for (written, kept) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("2001:DB8:0::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(written.parse::<Network>().unwrap().to_string(), kept);
        }
        for wrong in
            ["", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/8,::1", "fe80::1%eth0", " 10.0.0.1", "10.0.0.1/"]
        {
            assert_eq!(wrong.parse::<Network>(), Err(NotANetwork), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        for wrong in ["10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/8;::1", "::1/129", "*"] {
            assert!(wrong.parse::<Networks>().unwrap_err().to_string().contains("10.0.0.0/8"), "{wrong}");
        }
    }
}
