//! Programs that tests call and that are no part of this workspace: where they are found, and from which package they come.
