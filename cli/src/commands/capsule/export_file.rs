//! Files of exported runs: written whole or not at all, and encrypted where that is asked for.
//!
//! A passphrase comes from a file, never from a question.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt};
use tempfile::NamedTempFile;
use windlass_contract::{ErrorCode, Fault};

/// Longest file of a passphrase, in bytes.
const MAX_PASSPHRASE_BYTES: u64 = 4096;

/// Most work that opening an encrypted file may cost: scrypt with 2^20 rounds, which takes a gibibyte of memory for some
/// seconds. What `windlass` and `age` write takes a quarter of that.
const MAX_WORK: u8 = 20;

/// Writes everything that comes from `from` into a new file, encrypted where a passphrase is named. Gives its size.
///
/// # Errors
/// `bad_request` where the file is there already or the passphrase cannot be used, else `io` or `disk_full`; the file is not there
/// then.
pub(super) fn write(path: &Path, from: &mut File, passphrase_file: Option<&Path>) -> Result<u64, Fault> {
    let passphrase = passphrase_file.map(passphrase).transpose()?;
    let fails = |error: io::Error| not_written(path, &error);
    let folder = folder_of(path);
    let mut file = NamedTempFile::with_prefix_in(".windlass-export-", &folder).map_err(fails)?;
    let written = match passphrase {
        None => io::copy(from, file.as_file_mut()).map(drop),
        Some(passphrase) => encrypt(passphrase, from, file.as_file_mut()),
    };
    written.and_then(|()| file.as_file().sync_all()).map_err(fails)?;
    let bytes = file.as_file().metadata().map_err(fails)?.len();
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => fails(error.error),
    })?;
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(fails)?;
    Ok(bytes)
}

/// Refuses early what [`write`] would refuse in the end.
///
/// # Errors
/// `bad_request` where the file is there already.
pub(super) fn check_free(path: &Path) -> Result<(), Fault> {
    match path.symlink_metadata() {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

/// An exported run, decrypted where a passphrase is named.
///
/// # Errors
/// `io` where it cannot be read, `bad_request` where the passphrase does not open it.
pub(super) fn open(path: &Path, passphrase_file: Option<&Path>) -> Result<Box<dyn Read + Send>, Fault> {
    let file = File::open(path).map_err(|error| not_read(path, &error))?;
    let input = BufReader::with_capacity(1 << 16, file);
    match passphrase_file {
        None => Ok(Box::new(input)),
        Some(passphrase_file) => Ok(Box::new(decrypt(path, passphrase(passphrase_file)?, input)?)),
    }
}

/// The same as a file that can be handed over: the one that was named, or an unnamed one with what was decrypted.
///
/// # Errors
/// As [`open`].
pub(super) fn open_file(path: &Path, passphrase_file: Option<&Path>) -> Result<File, Fault> {
    if passphrase_file.is_none() {
        return File::open(path).map_err(|error| not_read(path, &error));
    }
    let mut input = open(path, passphrase_file)?;
    let mut plain = tempfile::tempfile().map_err(|error| not_read(path, &error))?;
    io::copy(&mut input, &mut plain).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            let text = format!("`{}` is damaged: it was cut short or changed ({error})", path.display());
            Fault::new(ErrorCode::CapsuleDamaged, text)
        }
        _ => not_read(path, &error),
    })?;
    plain.rewind().map_err(|error| not_read(path, &error))?;
    Ok(plain)
}

/// Does work that waits for the disk or the processor beside the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn passphrase(path: &Path) -> Result<SecretString, Fault> {
    let refuse = |why: &str| {
        Fault::new(ErrorCode::BadRequest, format!("`{}` {why}", path.display()))
            .hint("put one line of text into it, with mode 0600")
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| refuse(&format!("cannot be read: {error}")))?;
    let read = file.take(MAX_PASSPHRASE_BYTES + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| refuse(&format!("cannot be read: {error}")))?;
    if read as u64 > MAX_PASSPHRASE_BYTES {
        return Err(refuse("is longer than any passphrase"));
    }
    let text = String::from_utf8(bytes).map_err(|_| refuse("is no UTF-8 text"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(refuse("holds no passphrase"));
    }
    Ok(SecretString::from(text.to_owned()))
}

fn encrypt(passphrase: SecretString, from: &mut File, into: &mut File) -> io::Result<()> {
    let mut sealed = Encryptor::with_user_passphrase(passphrase).wrap_output(BufWriter::new(into))?;
    io::copy(from, &mut sealed)?;
    sealed.finish()?.flush()
}

fn decrypt<R: Read>(path: &Path, passphrase: SecretString, input: R) -> Result<impl Read + use<R>, Fault> {
    let mut identity = scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(MAX_WORK);
    let opened = Decryptor::new(input)
        .and_then(|sealed| sealed.decrypt(std::iter::once(&identity as &dyn age::Identity)));
    opened.map_err(|error| {
        let refuse = |why: &str| {
            Fault::new(ErrorCode::BadRequest, format!("`{}` cannot be decrypted: {why}", path.display()))
        };
        match error {
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
                refuse("this is not its passphrase")
                    .hint("give the file that holds the right one: --passphrase-file FILE")
            }
            DecryptError::ExcessiveWork { .. } => refuse("it demands more work than any export of ours"),
            DecryptError::NoMatchingKeys => refuse("it is encrypted for a key, not with a passphrase"),
            DecryptError::InvalidHeader | DecryptError::UnknownFormat => {
                refuse("it is not encrypted").hint("leave out --passphrase-file")
            }
            DecryptError::InvalidMac => refuse("its beginning was changed"),
            DecryptError::Io(error) => not_read(path, &error),
            other => refuse(&other.to_string()),
        }
    })
}

/// The folder that a file stands in.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn exists(path: &Path) -> Fault {
    Fault::new(
        ErrorCode::BadRequest,
        format!("`{}` is there already, and nothing is replaced", path.display()),
    )
    .hint("name another file with --out")
}

fn not_written(path: &Path, error: &io::Error) -> Fault {
    let text = format!("cannot write `{}`: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Fault::new(ErrorCode::DiskFull, text).hint("df -h")
        }
        _ => Fault::new(ErrorCode::Io, text).hint("name another file with --out"),
    }
}

fn not_read(path: &Path, error: &io::Error) -> Fault {
    let text = format!("cannot read `{}`: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => {
            Fault::new(ErrorCode::BadRequest, text).hint("name another file")
        }
        _ => Fault::new(ErrorCode::Io, text).hint("windlass service doctor"),
    }
}
