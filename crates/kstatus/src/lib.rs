//! The state of objects, computed from what they say of themselves.
