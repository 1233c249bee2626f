//! Writes protobuf messages, as far as spans need it. No schema, no reading: the caller knows the fields' numbers and types.

/// A message under construction, its fields in the order in which they are put.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A text; an empty one is the default and not written.
    pub(super) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    /// Bytes; none are the default and not written.
    pub(super) fn bytes(self, field: u32, value: &[u8]) -> Self {
        if value.is_empty() { self } else { self.message_always(field, value) }
    }

    /// A message in this message. An empty one is written too: it says that it is there.
    pub(super) fn message(self, field: u32, value: &Self) -> Self {
        self.message_always(field, &value.0)
    }

    /// Bytes that are written even if there are none: a member of a `oneof`, which says by its presence which it is.
    pub(super) fn message_always(mut self, field: u32, value: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A number or an enum's value in variable length.
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    /// A number in eight bytes.
    pub(super) fn fixed64(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// The message in bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}
