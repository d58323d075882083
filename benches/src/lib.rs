//! windlass-benches
