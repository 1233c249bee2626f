//! Counts what is read from an index: all of it, and what was read for the value that is being read.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

use super::{IndexError, Limits};

/// Bytes read at a time. A value may exceed its limit by so much.
pub(super) const BUFFER_BYTES: usize = 16 << 10;

/// The counts, shared by the reader that counts and the parser's caller.
pub(super) struct Gauge {
    total_left: Cell<u64>,
    value_left: Cell<Option<usize>>,
    limits: Limits,
    fault: RefCell<Option<IndexError>>,
}

impl Gauge {
    pub(super) fn new(limits: &Limits) -> Rc<Self> {
        Rc::new(Self {
            total_left: Cell::new(limits.bytes),
            value_left: Cell::new(Some(limits.entry_bytes)),
            limits: *limits,
            fault: RefCell::default(),
        })
    }

    /// A value begins that will be held in memory.
    pub(super) fn hold(&self) {
        self.value_left.set(Some(self.limits.entry_bytes));
    }

    /// A value begins that is passed.
    pub(super) fn pass(&self) {
        self.value_left.set(None);
    }

    /// What the reader failed of, if it did: the parser has wrapped it in something of its own.
    pub(super) fn take_fault(&self) -> Option<IndexError> {
        self.fault.borrow_mut().take()
    }

    fn spend(&self, count: usize) -> Result<(), IndexError> {
        let left = self.total_left.get().checked_sub(count as u64);
        self.total_left.set(left.ok_or(IndexError::TooLarge(self.limits.bytes))?);
        if let Some(left) = self.value_left.get() {
            // One huge string or list that has to be held before anybody can refuse it.
            let exceeded = IndexError::Limit { what: "bytes in one value", limit: self.limits.entry_bytes };
            self.value_left.set(Some(left.checked_sub(count).ok_or(exceeded)?));
        }
        Ok(())
    }
}

/// A reader that counts, and ends the text with a line break if it has none.
pub(super) struct Meter<R> {
    pub(super) input: R,
    pub(super) gauge: Rc<Gauge>,
    last: u8,
}

impl<R: Read> Meter<R> {
    pub(super) fn new(input: R, gauge: Rc<Gauge>) -> Self {
        Self { input, gauge, last: b'\n' }
    }

    fn failed(&self, fault: IndexError) -> io::Error {
        *self.gauge.fault.borrow_mut() = Some(fault);
        io::Error::other("index reader failed")
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.failed(IndexError::Read(error))),
            Ok(count) => count,
        };
        self.gauge.spend(count).map_err(|fault| self.failed(fault))?;
        if count > 0 {
            self.last = buffer[count - 1];
        } else if self.last != b'\n' && !buffer.is_empty() {
            (self.last, buffer[0]) = (b'\n', b'\n');
            return Ok(1);
        }
        Ok(count)
    }
}
