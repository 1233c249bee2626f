//! Azure Blob Storage: npm's `azurite` on loopback.
