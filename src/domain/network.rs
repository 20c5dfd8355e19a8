//! Addresses of clients, and networks they may lie in.
//!
//! Never here: where an address is read from. That is one place in `http`.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv6Net};

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

/// Networks, as operators write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

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
        self.0.iter().any(|network| network.contains(&client.ip()))
    }

    /// Whether they hold every address there is of a kind: trusted proxies must not.
    pub fn are_everywhere(&self) -> bool {
        self.0.iter().any(|network| network.prefix_len() == 0)
    }
}

impl FromStr for Networks {
    type Err = NotNetworks;

    fn from_str(text: &str) -> Result<Self, NotNetworks> {
        let network = |text: &str| {
            let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
            address.or_else(|_| text.parse::<IpNet>()).map_err(|_| NotNetworks(text.into()))
        };
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
    fn what_is_no_network_is_named() {
        for wrong in ["10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/8;::1", "::1/129", "*"] {
            assert!(wrong.parse::<Networks>().unwrap_err().to_string().contains("10.0.0.0/8"), "{wrong}");
        }
    }
}
