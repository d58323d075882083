//! Bytes behind a file descriptor. A megabyte takes some 20 ms as a D-Bus message and next to nothing this way.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// An anonymous file with these bytes, at its start, that nobody can change any more: neither we nor any caller that gets it.
///
/// # Errors
/// Memory or file descriptors ran out.
pub(crate) fn sealed(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let mut file =
        File::from(memfd_create("windlass-artifact", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(bytes)?;
    file.rewind()?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_bytes_are_read_from_the_start_and_cannot_be_changed() {
        let mut file = File::from(sealed(b"what was found").unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "what was found");
        file.rewind().unwrap();
        assert!(file.write_all(b"something else").is_err());
        assert!(file.set_len(0).is_err());
    }
}
