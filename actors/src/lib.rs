//! windlass-actors
