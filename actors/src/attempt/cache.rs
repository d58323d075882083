//! Results of checks on trees that were looked at before, as files named by their key. Losing one costs time, never a record;
//! so a cache that cannot be read or written is only noted.

use std::path::PathBuf;

use async_trait::async_trait;
use windlass_domain::digest::Digest;
use windlass_engine::ports::CheckCache;

use crate::store::blocking;

/// The cache's folder.
pub(crate) struct CacheFiles {
    pub(crate) folder: PathBuf,
}

#[async_trait]
impl CheckCache for CacheFiles {
    async fn get(&self, key: Digest) -> Option<Vec<u8>> {
        let file = self.folder.join(key.to_string());
        let bytes = blocking(move || std::fs::read(file)).await.ok()?;
        // The first 32 bytes are the digest of the rest: a torn write is no result.
        let (digest, value) = bytes.split_at_checked(32)?;
        (Digest::of(value).as_bytes() == digest).then(|| value.to_vec())
    }

    async fn put(&self, key: Digest, value: Vec<u8>) {
        let folder = self.folder.clone();
        let written = blocking(move || {
            std::fs::create_dir_all(&folder)?;
            let half = folder.join(format!("{key}.{}", uuid::Uuid::now_v7()));
            let mut bytes = Digest::of(&value).as_bytes().to_vec();
            bytes.extend(value);
            std::fs::write(&half, bytes)?;
            std::fs::rename(&half, folder.join(key.to_string()))
        });
        if let Err(error) = written.await {
            tracing::debug!(%error, "a check's result could not be cached");
        }
    }
}
