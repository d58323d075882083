//! windlass-contract
