//! The secret itself: `loquat_ID_SECRET`, ID to find its entry by, SECRET 256 random bits.
//!
//! Stored is an Argon2id hash (RFC 9106) of the whole key. It is slow on purpose and runs once a key; after that the key is known
//! by a digest under a key of this process.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

use super::error::KeyError;

const PREFIX: &str = "loquat";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;

/// A fresh key with what is stored of it.
pub(super) struct Made {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) hash: String,
}

/// Makes a key.
pub(super) fn make() -> Result<Made, KeyError> {
    let id = hex(&random::<ID_BYTES>()?);
    let key = format!("{PREFIX}_{id}_{}", hex(&random::<SECRET_BYTES>()?));
    let failed = |error: argon2::password_hash::Error| KeyError::Make { problem: error.to_string() };
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(failed)?;
    let hash = Argon2::default().hash_password(key.as_bytes(), &salt).map_err(failed)?.to_string();
    Ok(Made { key, id, hash })
}

/// The id in a key; `None` when it has not the form of one.
pub(super) fn id_of(key: &str) -> Option<&str> {
    let (id, secret) = key.strip_prefix(PREFIX)?.strip_prefix('_')?.split_once('_')?;
    let sound = id.len() == 2 * ID_BYTES && secret.len() == 2 * SECRET_BYTES;
    sound.then_some(id)
}

/// Whether a hash can be verified at all.
pub(super) fn is_hash(hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| hash.algorithm == argon2::ARGON2ID_IDENT)
}

/// Whether `hash` is that of `key`. Takes tens of milliseconds.
pub(super) fn verify(key: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(key.as_bytes(), &hash).is_ok())
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Make { problem: error.to_string() })?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
