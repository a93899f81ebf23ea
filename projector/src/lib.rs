//! Consumer that checks every record, the pure project function, read-model traits, rebuild and digests.
