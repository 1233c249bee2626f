//! CEL expressions over objects.
