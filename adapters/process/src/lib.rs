//! windlass-process
