//! windlass-capsule
