use super::*;
use crate::RemoteRef;
use crate::advertisement::parse_advertisement;
use crate::pkt_line::Decoder;

fn id(digit: char) -> ObjectId {
    digit.to_string().repeat(40).parse().unwrap()
}

fn line(bytes: &[u8]) -> Packet {
    Packet::Line(Bytes::copy_from_slice(bytes))
}

fn version_2() -> Advertisement {
    let lines = ["version 2\n", "ls-refs\n", "fetch=shallow\n"];
    let packets: Vec<_> = lines.iter().map(|text| line(text.as_bytes())).chain([Packet::Flush]).collect();
    parse_advertisement(&packets, 10).unwrap()
}

fn version_0(capabilities: &str) -> Advertisement {
    let first = format!("{} refs/heads/main\0{capabilities}\n", id('1'));
    let second = format!("{} refs/heads/other\n", id('2'));
    parse_advertisement(&[line(first.as_bytes()), line(second.as_bytes()), Packet::Flush], 10).unwrap()
}

fn texts(body: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::default();
    decoder.push(body);
    std::iter::from_fn(|| decoder.next().unwrap())
        .map(|packet| match packet {
            Packet::Line(line) => text(&line).unwrap().to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn read(server: &Advertisement, packets: Vec<Packet>) -> Result<(Vec<u8>, bool), ProtocolError> {
    let plan = Plan::new(server, vec![id('1')], None).unwrap();
    let mut reader = PackReader::new(&plan, server, 7);
    let mut pack = Vec::new();
    for packet in packets {
        pack.extend(reader.take(packet)?.unwrap_or_default());
    }
    Ok((pack, reader.is_complete()))
}

const PACK: &[u8] = b"PACK\0\0\0\x02\0\0\0\x07body";

/// The pack in band 1, in two pieces cut at `cut`.
fn banded(cut: usize) -> [Packet; 2] {
    [&PACK[..cut], &PACK[cut..]].map(|piece| line(&[b"\x01", piece].concat()))
}

#[test]
fn version_2_asks_for_the_commit_by_hash_without_history() {
    let server = version_2();
    let plan = Plan::new(&server, vec![id('9')], Some(id('8'))).unwrap();
    let (nine, eight) = (id('9'), id('8'));
    let expected = [
        "command=fetch",
        "agent=a",
        "object-format=sha1",
        "Delimiter",
        "thin-pack",
        "no-progress",
        "ofs-delta",
        &format!("want {nine}"),
        &format!("shallow {eight}"),
        "deepen 1",
        &format!("have {eight}"),
        "done",
        "Flush",
    ];
    assert_eq!(texts(&plan.encode(&server, "a").unwrap()), expected);
}

#[test]
fn version_0_asks_by_hash_where_allowed_and_for_all_heads_where_not() {
    let every = "multi_ack_detailed side-band-64k ofs-delta shallow agent=x";
    for (capabilities, want, have, expected) in [
        (
            every,
            '1',
            Some('8'),
            vec![
                format!("want {} multi_ack_detailed side-band-64k ofs-delta agent=a", id('1')),
                format!("shallow {}", id('8')),
                "deepen 1".into(),
                "Flush".into(),
                format!("have {}", id('8')),
                "done".into(),
            ],
        ),
        (
            "side-band-64k allow-reachable-sha1-in-want",
            '9',
            None,
            vec![format!("want {} side-band-64k", id('9')), "Flush".into(), "done".into()],
        ),
        (
            "side-band-64k multi_ack allow-tip-sha1-in-want",
            '1',
            None,
            vec![format!("want {} side-band-64k multi_ack", id('1')), "Flush".into(), "done".into()],
        ),
        (
            "side-band-64k shallow",
            '9',
            Some('8'),
            vec![format!("want {} side-band-64k", id('1')), format!("want {}", id('2')), "Flush".into(), "done".into()],
        ),
    ] {
        let server = version_0(capabilities);
        let plan = Plan::new(&server, vec![id(want)], have.map(id)).unwrap();
        assert_eq!(texts(&plan.encode(&server, "a").unwrap()), expected, "{capabilities}");
    }
    let nothing = Advertisement::V0(Capabilities::default(), Vec::<RemoteRef>::new());
    assert_eq!(Plan::new(&nothing, vec![id('9')], None), None);
}

#[test]
fn the_pack_is_found_behind_what_comes_before_it_however_it_is_cut() {
    let before_v2 = [line(b"shallow-info\n"), line(b"shallow 1\n"), Packet::Delimiter, line(b"packfile\n")];
    let before_v0 = [line(b"shallow 1\n"), Packet::Flush, line(b"ACK 1 common\n"), line(b"ACK 1\n")];
    let shallow = version_0("side-band-64k shallow");
    for cut in 0..=PACK.len() {
        for (server, before) in [(version_2(), &before_v2), (shallow.clone(), &before_v0)] {
            let packets = before.iter().cloned().chain(banded(cut)).chain([line(b"\x02noise"), Packet::Flush]);
            assert_eq!(read(&server, packets.collect()), Ok((PACK.to_vec(), true)), "cut at {cut}");
        }
    }
}

#[test]
fn errors_and_excess_in_the_answer_are_named() {
    let start = line(b"packfile\n");
    for (packets, expected) in [
        (vec![start.clone(), line(b"\x03out of memory\n")], ProtocolError::Remote("out of memory".into())),
        (vec![start.clone(), line(b"\x09?")], ProtocolError::Unexpected("an unknown band")),
        (vec![start.clone(), Packet::Flush], ProtocolError::Truncated),
        (vec![start.clone(), Packet::Delimiter], ProtocolError::Unexpected("a packet out of order")),
        (vec![Packet::Flush], ProtocolError::Unexpected("a packet out of order")),
        (
            vec![start.clone(), line(b"\x01PACK\0\0\0\x02\0\0\0\x08")],
            ProtocolError::TooManyObjects { count: 8, limit: 7 },
        ),
        (vec![start, line(b"\x01<!doctype html>")], ProtocolError::Unexpected("not a pack of version 2")),
    ] {
        assert_eq!(read(&version_2(), packets.clone()), Err(expected), "{packets:?}");
    }
}
