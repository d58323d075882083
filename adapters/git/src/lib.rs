//! windlass-git
