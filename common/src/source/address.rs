//! Which addresses are on the public internet: pure, no look-ups. Only global unicast is; everything that a registry sets
//! aside, and every IPv6 form that hides an IPv4 address, is refused.
//!
//! Sources: the IANA special-purpose registries (RFC 6890 and its successors), RFC 4291 (mapped and compatible), RFC 6052 and
//! 8215 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP), and the metadata addresses of the cloud providers.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What the address is, as in `loopback`.
    pub what: &'static str,
    /// Whether it is of this machine or the network around it, where a developer may want an exception.
    pub local: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Error for Refusal {}

const fn local(what: &'static str) -> Refusal {
    Refusal { what, local: true }
}

const fn never(what: &'static str) -> Refusal {
    Refusal { what, local: false }
}

/// IPv4 ranges that are not public, the narrow ones before the wide ones that hold them.
const REFUSED_V4: [(Ipv4Addr, u32, Refusal); 23] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, local("an unspecified address")),
    (Ipv4Addr::new(10, 0, 0, 0), 8, local("a private address")),
    (Ipv4Addr::new(100, 100, 100, 200), 32, never("a cloud metadata address")),
    (Ipv4Addr::new(100, 64, 0, 0), 10, local("a shared address")),
    (Ipv4Addr::new(127, 0, 0, 0), 8, local("a loopback address")),
    (Ipv4Addr::new(168, 63, 129, 16), 32, never("a cloud metadata address")),
    (Ipv4Addr::new(169, 254, 0, 0), 16, never("a link-local address")),
    (Ipv4Addr::new(172, 16, 0, 0), 12, local("a private address")),
    (Ipv4Addr::new(192, 0, 0, 192), 32, never("a cloud metadata address")),
    (Ipv4Addr::new(192, 0, 0, 0), 24, never("a protocol assignment")),
    (Ipv4Addr::new(192, 0, 2, 0), 24, never("a documentation address")),
    (Ipv4Addr::new(192, 31, 196, 0), 24, never("an anycast service address")),
    (Ipv4Addr::new(192, 52, 193, 0), 24, never("an anycast service address")),
    (Ipv4Addr::new(192, 88, 99, 0), 24, never("a 6to4 relay address")),
    (Ipv4Addr::new(192, 168, 0, 0), 16, local("a private address")),
    (Ipv4Addr::new(192, 175, 48, 0), 24, never("an anycast service address")),
    (Ipv4Addr::new(198, 18, 0, 0), 15, never("a benchmarking address")),
    (Ipv4Addr::new(198, 51, 100, 0), 24, never("a documentation address")),
    (Ipv4Addr::new(203, 0, 113, 0), 24, never("a documentation address")),
    (Ipv4Addr::new(233, 252, 0, 0), 24, never("a documentation address")),
    (Ipv4Addr::new(224, 0, 0, 0), 4, never("a multicast address")),
    (Ipv4Addr::new(255, 255, 255, 255), 32, never("the broadcast address")),
    (Ipv4Addr::new(240, 0, 0, 0), 4, never("a reserved address")),
];

/// IPv6 ranges within 2000::/3 that are not public.
const REFUSED_V6: [(Ipv6Addr, u32, Refusal); 6] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, never("a Teredo address")),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, never("a protocol assignment")),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, never("a documentation address")),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, never("a 6to4 address")),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, never("an anycast service address")),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, never("a documentation address")),
];

/// IPv6 ranges outside 2000::/3 that have a name; all others there are refused as well.
const NAMED_V6: [(Ipv6Addr, u32, Refusal); 16] = [
    (Ipv6Addr::UNSPECIFIED, 128, local("an unspecified address")),
    (Ipv6Addr::LOCALHOST, 128, local("a loopback address")),
    (Ipv6Addr::UNSPECIFIED, 96, never("an IPv4-compatible address")),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, never("an IPv4-translated address")),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, never("a NAT64 address")),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, never("a NAT64 address")),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 63, never("a discard address")),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, never("a segment routing address")),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, never("a cloud metadata address")),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32, never("a cloud metadata address")),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128, never("a cloud metadata address")),
    (Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128, never("a cloud metadata address")),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, local("a unique local address")),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, never("a link-local address")),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, local("a site-local address")),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, never("a multicast address")),
];

const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// `Ok` for a public unicast address.
pub fn judge(address: IpAddr) -> Result<(), Refusal> {
    match address {
        IpAddr::V4(address) => judge_v4(address),
        IpAddr::V6(address) => judge_v6(address),
    }
}

/// `Ok` when every one of a host's addresses is public: one that is not blocks the host, because which of them a connection
/// will go to is not known beforehand.
pub fn judge_all(addresses: &[IpAddr]) -> Result<(), Refusal> {
    addresses.iter().try_for_each(|address| judge(*address))
}

fn judge_v4(address: Ipv4Addr) -> Result<(), Refusal> {
    let within =
        |(base, prefix, _): &&(Ipv4Addr, u32, Refusal)| (address.to_bits() ^ base.to_bits()) >> (32 - prefix) == 0;
    match REFUSED_V4.iter().find(within) {
        Some((_, _, refusal)) => Err(*refusal),
        None => Ok(()),
    }
}

fn judge_v6(address: Ipv6Addr) -> Result<(), Refusal> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return judge_v4(mapped);
    }
    let within = |base: Ipv6Addr, prefix: u32| (address.to_bits() ^ base.to_bits()) >> (128 - prefix) == 0;
    let find = |ranges: &[(Ipv6Addr, u32, Refusal)]| {
        ranges.iter().find(|(base, prefix, _)| within(*base, *prefix)).map(|(_, _, refusal)| *refusal)
    };
    if !within(GLOBAL_UNICAST.0, GLOBAL_UNICAST.1) {
        return Err(find(&NAMED_V6).unwrap_or(never("an address that is not global unicast")));
    }
    // The interface identifier of ISATAP: 00-00-5E-FE or 02-00-5E-FE before an IPv4 address.
    let [.., interface, marker, _, _] = address.segments();
    if marker == 0x5efe && (interface == 0 || interface == 0x200) {
        return Err(never("an ISATAP address"));
    }
    find(&REFUSED_V6).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, public: bool) {
        assert_eq!(judge(address.parse().unwrap()).is_ok(), public, "{address}");
    }

    #[test]
    fn both_ends_of_every_ipv4_range() {
        for (base, prefix, _) in REFUSED_V4 {
            let last = Ipv4Addr::from_bits(base.to_bits() | u32::MAX.checked_shr(prefix).unwrap_or(0));
            check(&base.to_string(), false);
            check(&last.to_string(), false);
        }
        let public = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.15",
            "8.8.8.8",
        ];
        for address in public {
            check(address, true);
        }
    }

    #[test]
    fn only_global_unicast_ipv6_without_hidden_ipv4() {
        for (base, prefix, _) in REFUSED_V6.into_iter().chain(NAMED_V6) {
            let last = Ipv6Addr::from_bits(base.to_bits() | u128::MAX.checked_shr(prefix).unwrap_or(0));
            check(&base.to_string(), false);
            check(&last.to_string(), false);
        }
        for address in ["2001:4860:4860::8888", "2606:4700:4700::1111", "2001:200::1", "2003::1", "3ffe:ffff::1"] {
            check(address, true);
        }
        let refused = [
            "::ffff:10.0.0.1",
            "::ffff:0:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "2002:808:808::1",
            "2001:0:808:808::1",
            "2606:4700::5efe:808:808",
            "2606:4700::200:5efe:808:808",
            "1::",
            "4000::1",
            "5f00::1",
            "100::1",
            "fec0::1",
            "fd00:ec2::254",
        ];
        for address in refused {
            check(address, false);
        }
        check("::ffff:8.8.8.8", true);
    }

    #[test]
    fn metadata_is_not_called_local() {
        let metadata = [
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fd00:42::42",
            "fd00:c1::a9fe:a9fe",
        ];
        for address in metadata {
            assert!(!judge(address.parse().unwrap()).unwrap_err().local, "{address}");
        }
    }
}
