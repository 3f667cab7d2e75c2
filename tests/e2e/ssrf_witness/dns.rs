//! A name server of the tests' own, so that the operating system's resolver can be asked without anybody else being asked.

use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;

/// Where the operating system asks, or `None` when it would ask somebody who is not reached by datagrams: such a service
/// lives outside of a network namespace.
pub(super) fn servers() -> Option<Vec<SocketAddr>> {
    let switch = std::fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let sources = switch.lines().find_map(|line| line.strip_prefix("hosts:")).unwrap_or("files dns");
    let daemon = ["/run/nscd/socket", "/var/run/nscd/socket"].iter().any(|path| std::path::Path::new(path).exists());
    if daemon || sources.split_whitespace().any(|source| !matches!(source, "files" | "dns" | "myhostname")) {
        return None;
    }
    let settings = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let named = settings.lines().filter_map(|line| line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok());
    let servers: Vec<SocketAddr> = named.map(|address| SocketAddr::new(address, 53)).collect();
    Some(if servers.is_empty() { vec![([127, 0, 0, 1], 53).into()] } else { servers })
}

/// Answers every question about a name with the addresses that `answers` gives for it, those of the family that is asked for.
pub(super) async fn serve(at: SocketAddr, answers: impl Fn(&str) -> Vec<IpAddr> + Send + 'static) {
    let socket = UdpSocket::bind(at).await.unwrap_or_else(|error| panic!("{at}: {error}"));
    tokio::spawn(async move {
        let mut question = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            if let Some(answer) = answer(&question[..length], &answers) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
}

/// RFC 1035, 4.1, for the one question that a stub resolver asks.
fn answer(question: &[u8], answers: &impl Fn(&str) -> Vec<IpAddr>) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const RECORD: [u16; 2] = [1, 28];
    let mut labels = Vec::new();
    let mut at = HEADER;
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(std::str::from_utf8(&question[at + 1..][..length]).ok()?.to_lowercase());
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let asked = &question[HEADER..at + 5];
    let addresses = answers(&labels.join("."));
    let status: u16 = if addresses.is_empty() { 3 } else { 0 };
    let [of_v4, of_v6] = RECORD;
    let fitting = addresses.iter().filter(|address| kind == if address.is_ipv4() { of_v4 } else { of_v6 });
    let records: Vec<Vec<u8>> = fitting
        .map(|address| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        })
        .collect();
    let mut out = question[..2].to_vec();
    for word in [0x8180 | status, 1, records.len() as u16, 0, 0] {
        out.extend(word.to_be_bytes());
    }
    out.extend(asked);
    for record in records {
        // The name in the question, class IN, not to be kept.
        for word in [0xc00c, kind, 1, 0, 0, record.len() as u16] {
            out.extend(word.to_be_bytes());
        }
        out.extend(record);
    }
    Some(out)
}
