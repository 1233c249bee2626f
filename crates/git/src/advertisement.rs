//! What a server says first: its protocol version, capabilities and, in version 0, all its references. Also the list that version 2 gives
//! on request. Pure parsing; hostile input.

use std::collections::BTreeMap;

use crate::pkt_line::{Encoder, Packet, ProtocolError, text};
use crate::{ObjectId, RemoteRef};

/// A server's first answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Advertisement {
    /// Protocol version 2: references are asked for.
    V2(Capabilities),
    /// Protocol versions 0 and 1: references came along.
    V0(Capabilities, Vec<RemoteRef>),
}

/// Capability names with their values; without a value, the empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities(BTreeMap<String, String>);

impl Capabilities {
    fn insert(&mut self, capability: &str) {
        let (name, value) = capability.split_once('=').unwrap_or((capability, ""));
        self.0.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether the capability `name` has the word `feature` in its value: `fetch=shallow wait-for-done`.
    pub(crate) fn has_feature(&self, name: &str, feature: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.split(' ').any(|word| word == feature))
    }

    fn check_object_format(&self) -> Result<(), ProtocolError> {
        match self.0.get("object-format").map(String::as_str) {
            None | Some("sha1") => Ok(()),
            Some(other) => Err(ProtocolError::ObjectFormat(other.chars().take(20).collect())),
        }
    }
}

/// Parses the answer to `GET info/refs?service=git-upload-pack`.
pub(crate) fn parse_advertisement(packets: &[Packet], max_refs: usize) -> Result<Advertisement, ProtocolError> {
    let mut packets = packets;
    // Over HTTP the list begins with a line for those who know no other service; version 2 may leave it out.
    if let [Packet::Line(line), Packet::Flush, rest @ ..] = packets
        && line.starts_with(b"# service=")
    {
        packets = rest;
    }
    match packets {
        [Packet::Line(line), rest @ ..] if text(line)? == "version 2" => parse_v2(rest),
        [Packet::Line(line), rest @ ..] if text(line)? == "version 1" => parse_v0(rest, max_refs),
        _ => parse_v0(packets, max_refs),
    }
}

fn parse_v2(packets: &[Packet]) -> Result<Advertisement, ProtocolError> {
    let mut capabilities = Capabilities::default();
    for line in lines(packets)? {
        capabilities.insert(text(line)?);
    }
    capabilities.check_object_format()?;
    if !capabilities.has("ls-refs") || !capabilities.has("fetch") {
        return Err(ProtocolError::Unsupported("the commands ls-refs and fetch"));
    }
    Ok(Advertisement::V2(capabilities))
}

fn parse_v0(packets: &[Packet], max_refs: usize) -> Result<Advertisement, ProtocolError> {
    let mut capabilities = Capabilities::default();
    let mut refs: Vec<RemoteRef> = Vec::new();
    for (index, line) in lines(packets)?.into_iter().enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        // The first line has the capabilities behind a zero byte.
        let mut halves = line.splitn(2, |byte| *byte == 0);
        let reference = text(halves.next().unwrap_or_default())?;
        if let Some(words) = halves.next().filter(|_| index == 0) {
            text(words)?.split(' ').filter(|word| !word.is_empty()).for_each(|word| capabilities.insert(word));
        }
        if reference.starts_with("shallow ") {
            continue;
        }
        let (id, name) = split_ref(reference)?;
        match (name.strip_suffix("^{}"), refs.last_mut()) {
            (Some("capabilities"), _) if id == ObjectId::ZERO => {}
            (Some(tag), Some(last)) if last.name == tag => last.peeled = Some(id),
            (Some(_), _) => return Err(ProtocolError::Unexpected("a peeled tag without its tag")),
            (None, _) => refs.push(RemoteRef { name: name.to_owned(), id, peeled: None }),
        }
        if refs.len() > max_refs {
            return Err(ProtocolError::TooManyRefs(max_refs));
        }
    }
    capabilities.check_object_format()?;
    Ok(Advertisement::V0(capabilities, refs))
}

/// The request of version 2 for the references below the prefixes; without prefixes, for all.
pub(crate) fn encode_ls_refs(prefixes: &[String], agent: &str) -> bytes::Bytes {
    let mut encoder = Encoder::default();
    encoder.line("command=ls-refs").line(&format!("agent={agent}")).line("object-format=sha1").delimiter();
    encoder.line("peel");
    for prefix in prefixes {
        encoder.line(&format!("ref-prefix {prefix}"));
    }
    encoder.flush().finish()
}

/// Parses the answer to [`encode_ls_refs`].
pub(crate) fn parse_ls_refs(packets: &[Packet], max_refs: usize) -> Result<Vec<RemoteRef>, ProtocolError> {
    let mut refs = Vec::new();
    for line in lines(packets)? {
        let line = text(line)?;
        if line.starts_with("unborn ") {
            continue;
        }
        let (id, rest) = split_ref(line)?;
        let mut words = rest.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let peeled = words.find_map(|word| word.strip_prefix("peeled:")).map(parse_id).transpose()?;
        refs.push(RemoteRef { name, id, peeled });
        if refs.len() > max_refs {
            return Err(ProtocolError::TooManyRefs(max_refs));
        }
    }
    Ok(refs)
}

/// The lines up to the flush that must end them.
fn lines(packets: &[Packet]) -> Result<Vec<&[u8]>, ProtocolError> {
    let mut lines = Vec::with_capacity(packets.len());
    for packet in packets {
        match packet {
            Packet::Line(line) => lines.push(&line[..]),
            Packet::Flush => return Ok(lines),
            Packet::Delimiter | Packet::ResponseEnd => return Err(ProtocolError::Unexpected("a section in a list")),
        }
    }
    Err(ProtocolError::Truncated)
}

fn split_ref(line: &str) -> Result<(ObjectId, &str), ProtocolError> {
    let (id, rest) = line.split_once(' ').ok_or(ProtocolError::Unexpected("a reference without a name"))?;
    Ok((parse_id(id)?, rest))
}

fn parse_id(text: &str) -> Result<ObjectId, ProtocolError> {
    text.parse().map_err(|_| ProtocolError::Unexpected("an object name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn id(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    /// Lines with `0`..`9` after `@` standing for whole object names; an empty line is a flush.
    fn packets(lines: &[&str]) -> Vec<Packet> {
        let line = |text: &&str| match text.strip_prefix('@') {
            _ if text.is_empty() => Packet::Flush,
            Some(rest) => Packet::Line(Bytes::from(format!("{}{}\n", rest[..1].repeat(40), &rest[1..]))),
            None => Packet::Line(Bytes::from(format!("{text}\n"))),
        };
        lines.iter().map(line).collect()
    }

    fn reference(name: &str, object: char, peeled: Option<char>) -> RemoteRef {
        RemoteRef { name: name.into(), id: id(object), peeled: peeled.map(id) }
    }

    #[test]
    fn version_2_is_recognised_with_and_without_the_service_line() {
        let capabilities = ["version 2", "agent=x", "ls-refs=unborn", "fetch=shallow filter", "object-format=sha1", ""];
        let with_service: Vec<_> = ["# service=git-upload-pack", ""].iter().chain(&capabilities).copied().collect();
        for lines in [&capabilities[..], &with_service] {
            let Ok(Advertisement::V2(found)) = parse_advertisement(&packets(lines), 10) else {
                panic!("not version 2")
            };
            assert!(found.has("ls-refs") && found.has_feature("fetch", "shallow") && !found.has_feature("fetch", "x"));
        }
    }

    #[test]
    fn version_0_lists_references_with_peeled_tags() {
        let lines = [
            "# service=git-upload-pack",
            "",
            "@1 HEAD\0multi_ack shallow symref=HEAD:refs/heads/main",
            "@1 refs/heads/main",
            "@2 refs/tags/v1",
            "@3 refs/tags/v1^{}",
            "shallow 4444",
            "",
        ];
        let Ok(Advertisement::V0(capabilities, refs)) = parse_advertisement(&packets(&lines), 10) else {
            panic!("not version 0")
        };
        assert!(capabilities.has("shallow"));
        let expected = [("HEAD", '1', None), ("refs/heads/main", '1', None), ("refs/tags/v1", '2', Some('3'))];
        assert_eq!(refs, expected.map(|(name, object, peeled)| reference(name, object, peeled)));
    }

    #[test]
    fn an_empty_repository_lists_nothing() {
        let lines = ["# service=git-upload-pack", "", "@0 capabilities^{}\0multi_ack", ""];
        let Ok(Advertisement::V0(_, refs)) = parse_advertisement(&packets(&lines), 10) else { panic!("not version 0") };
        assert_eq!(refs, []);
        assert_eq!(parse_ls_refs(&packets(&[""]), 10), Ok(vec![]));
    }

    #[test]
    fn ls_refs_is_asked_and_read() {
        let request = encode_ls_refs(&["refs/heads/main".into()], "a/1");
        let expected = "0014command=ls-refs\n000eagent=a/1\n0017object-format=sha1\n00010009peel\n001fref-prefix refs/heads/main\n0000";
        assert_eq!(&request[..], expected.as_bytes());
        let answer = ["unborn HEAD symref-target:refs/heads/x", "@1 refs/heads/main", "@2 refs/tags/v1 peeled:3", ""];
        let mut answer = packets(&answer);
        answer[2] = Packet::Line(format!("{} refs/tags/v1 x:y peeled:{}\n", id('2'), id('3')).into());
        let expected = vec![reference("refs/heads/main", '1', None), reference("refs/tags/v1", '2', Some('3'))];
        assert_eq!(parse_ls_refs(&answer, 10), Ok(expected));
        assert_eq!(parse_ls_refs(&answer, 1), Err(ProtocolError::TooManyRefs(1)));
    }

    #[test]
    fn hostile_lists_are_errors_not_panics() {
        for lines in [
            &["@1 refs/heads/main"][..],
            &["@1"],
            &["xyz refs/heads/main", ""],
            &["@1 refs/tags/v1^{}", ""],
            &["@1 a", "@2 b", "@3 c", ""],
            &["version 2", "object-format=sha256", ""],
            &["version 2", "ls-refs", ""],
            &["\0\0\0", ""],
            &["é", ""],
        ] {
            assert!(parse_advertisement(&packets(lines), 2).is_err(), "{lines:?}");
        }
    }
}
