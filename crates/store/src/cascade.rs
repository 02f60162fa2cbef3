//! What the registry remembers of cascades: how sure a cheap version has to be for its answer to stand for a dear one's.
//!
//! A calibration belongs to two artifacts, by their digests, and lies beside the dear version. The artifacts never change for
//! it.

use loquat_spec::{Name, ZeroShot};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::store::Store;

/// Two stated agreements that differ by less are the same one.
const SAME: f64 = 1e-9;

/// A version as a calibration names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CalibratedVersion {
    /// The model's name.
    pub name: String,
    /// The version's number.
    pub version: u32,
    /// Digest of its artifact.
    pub digest: String,
}

/// What one agreement costs and saves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tradeoff {
    /// The share of all rows on which the cascade's answer has to equal the dear version's.
    pub agreement: f64,
    /// The confidence from which the cheap version answers.
    pub threshold: f32,
    /// The share of the calibration rows that it answers then.
    pub early: f64,
    /// The share of all calibration rows on which the cascade's answer equals the dear version's.
    pub found: f64,
    /// Lower bound of that share beyond these rows, at the calibration's confidence.
    pub least: f64,
    /// The cascade's seconds saved, as a share of the dear version's on every row.
    pub saving: f64,
}

/// A calibrated cascade of two versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CascadeCalibration {
    /// The version that is asked first.
    pub cheap: CalibratedVersion,
    /// The version that answers the rest.
    pub dear: CalibratedVersion,
    /// Probability, over draws of the calibration rows, that the agreement holds.
    pub confidence: f64,
    /// What is in force: the stated agreement with its threshold.
    pub chosen: Tradeoff,
    /// Other agreements on the same rows, ascending.
    pub tradeoffs: Vec<Tradeoff>,
    /// Rows calibrated on.
    pub rows: usize,
    /// Seconds of the cheap version for all rows, on one thread.
    pub cheap_seconds: f64,
    /// Seconds of the dear version for all rows, on one thread.
    pub dear_seconds: f64,
    /// Labels and template, where the versions answered zero-shot classification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_shot: Option<ZeroShot>,
    /// Hash of the data that the rows come from.
    pub data_hash: String,
    /// When it was recorded, RFC 3339; the store's clock fills it in.
    #[serde(default)]
    pub created: String,
}

impl CascadeCalibration {
    /// Whether it is one of these two artifacts, the cheap one first, for the same labels and `agreement`.
    pub fn fits(&self, (cheap, dear): (&str, &str), zero_shot: Option<&ZeroShot>, agreement: f64) -> bool {
        self.cheap.digest == cheap
            && self.dear.digest == dear
            && self.zero_shot.as_ref() == zero_shot
            && (self.chosen.agreement - agreement).abs() < SAME
    }
}

impl Store {
    /// The calibrations recorded for a version as the dear one of a cascade; none for a version that does not exist.
    pub fn cascades(&self, name: &Name, version: u32) -> Result<Vec<CascadeCalibration>, StoreError> {
        self.read_document(&key(name, version)).map(Option::unwrap_or_default)
    }

    /// Records a calibration beside its dear version, in place of an earlier one of the same artifacts, labels and agreement.
    ///
    /// # Errors
    /// When the dear version is not registered with that digest, or a file can't be written.
    pub fn record_cascade(&self, calibration: &CascadeCalibration) -> Result<(), StoreError> {
        let dear = &calibration.dear;
        let name = Name::new(&dear.name)
            .map_err(|error| StoreError::Damaged { path: self.place(), reason: error.to_string() })?;
        let _lock = self.lock_after(|| self.require_record(&name, dear.version))?;
        let recorded = CascadeCalibration { created: self.now(), ..calibration.clone() };
        self.change_document(&key(&name, dear.version), |all: &mut Vec<CascadeCalibration>| {
            if self.require_record(&name, dear.version)?.digest != dear.digest {
                let reason =
                    format!("{}:{} is not the artifact that was calibrated", dear.name, dear.version);
                return Err(StoreError::Damaged { path: self.record_path(&name, dear.version), reason });
            }
            let (pair, agreement) = ((&*recorded.cheap.digest, &*dear.digest), recorded.chosen.agreement);
            all.retain(|known| !known.fits(pair, recorded.zero_shot.as_ref(), agreement));
            all.push(recorded.clone());
            Ok(())
        })
    }
}

/// What follows a version's number in the name of its calibrations.
pub(crate) const CASCADES: &str = ".cascades.json";

/// Where the calibrations of a version lie below the root.
pub(crate) fn key(name: &Name, version: u32) -> String {
    format!("models/{name}/versions/{version}{CASCADES}")
}
