//! Ways in for the fuzz targets of `crates/source-controller/fuzz` to what is private. Deliberately no logic, and in no build without the
//! feature `fuzzing`.

use sluice_http_client::Url;

use crate::advertisement::{Advertisement, parse_advertisement, parse_ls_refs};
use crate::fetch::{PackReader, Plan};
use crate::pack_scan::PackScan;
use crate::pkt_line::{Decoder, Packet};
use crate::ssh::HostAddress;
use crate::{ObjectId, submodule};

const MAX_REFS: usize = 100;
const MAX_OBJECT: u64 = 100_000;

/// Reads a `.gitmodules` and resolves the URLs in it.
pub fn gitmodules(text: &[u8]) {
    let parent = Url::parse("https://host.example/group/repository.git").ok();
    for (_, url) in submodule::parse(text).unwrap_or_default() {
        if let Some(parent) = &parent
            && let Ok(url) = submodule::resolve_url(parent, &url)
        {
            let _ = submodule::may_have_credentials(parent, &url);
        }
    }
}

/// Reads a known hosts file and asks it for the keys of a host.
pub fn known_hosts(text: &[u8]) {
    if let Ok(known) = crate::KnownHosts::parse(text) {
        let _ = known.offered(&HostAddress::new("host.example", 2222));
    }
}

/// Scans a pack in pieces of this size; `None` when it is refused.
pub fn pack(bytes: &[u8], piece: usize) -> Option<()> {
    let mut scan = PackScan::new(MAX_OBJECT);
    bytes.chunks(piece.max(1)).try_for_each(|piece| scan.push(piece)).ok()
}

/// Reads an answer of a server in pieces of this size as everything that it could be; how many packets it has.
pub fn answer(bytes: &[u8], piece: usize) -> usize {
    let (mut decoder, mut packets) = (Decoder::default(), Vec::new());
    'all: for piece in bytes.chunks(piece.max(1)) {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(_) => break 'all,
            }
        }
    }
    let _ = parse_ls_refs(&packets, MAX_REFS);
    if let Ok(server) = parse_advertisement(&packets, MAX_REFS) {
        read_pack(&server, &packets);
    }
    packets.len()
}

/// Takes the packets as the answer to a request of that server.
fn read_pack(server: &Advertisement, packets: &[Packet]) {
    let Some(plan) = Plan::new(server, vec![ObjectId::ZERO], Some(ObjectId::ZERO)) else { return };
    let _ = plan.encode(server, "agent");
    let mut reader = PackReader::new(&plan, server, 100);
    for packet in packets {
        if reader.take(packet.clone()).is_err() {
            return;
        }
    }
}
