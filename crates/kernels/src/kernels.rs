//! The handle through which every kernel is called, and the choice of its path.

use std::fmt;

use thiserror::Error;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Operation, Portable};

/// Which instructions the kernels use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// AVX-512 (F, BW, DQ, VL) with VNNI.
    Avx512,
    /// AVX2 with FMA.
    Avx2,
    /// What the compiler makes of plain Rust.
    Portable,
}

/// Why kernels of a name cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KernelsError {
    /// No kernels have this name.
    #[error("no kernels are named {name:?}; choose auto, avx512, avx2, neon or portable")]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// The processor lacks the instructions.
    #[error("this processor cannot run the {path} kernels; choose auto")]
    Unavailable {
        /// The path asked for.
        path: Path,
    },
    /// The path has no code yet.
    #[error("neon kernels are not yet supported; choose auto or portable")]
    NeonNotYet,
}

/// A path that this processor can run. Copy it down to whoever calls a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels {
    // Private, so that a value exists only where its instructions do.
    path: Path,
}

impl Kernels {
    /// The fastest path of this processor.
    pub fn detect() -> Self {
        let fastest = [Path::Avx512, Path::Avx2].into_iter().find(|path| path.runs_here());
        Self { path: fastest.unwrap_or(Path::Portable) }
    }

    /// Kernels by the name that a user gives: `auto`, `avx512`, `avx2`, `neon` or `portable`.
    ///
    /// # Errors
    /// When the name is unknown, or its path cannot run on this processor or is not yet supported.
    pub fn named(name: &str) -> Result<Self, KernelsError> {
        match name {
            "auto" => Ok(Self::detect()),
            "avx512" => Self::on(Path::Avx512),
            "avx2" => Self::on(Path::Avx2),
            "portable" => Self::on(Path::Portable),
            "neon" => Err(KernelsError::NeonNotYet),
            _ => Err(KernelsError::Unknown { name: name.to_owned() }),
        }
    }

    /// The kernels of one path.
    ///
    /// # Errors
    /// When this processor cannot run it.
    pub fn on(path: Path) -> Result<Self, KernelsError> {
        if !path.runs_here() {
            return Err(KernelsError::Unavailable { path });
        }
        Ok(Self { path })
    }

    /// Every path that this processor can run, the fastest first.
    pub fn all() -> Vec<Self> {
        [Path::Avx512, Path::Avx2, Path::Portable]
            .into_iter()
            .filter_map(|path| Self::on(path).ok())
            .collect()
    }

    /// The path that was chosen.
    pub fn path(self) -> Path {
        self.path
    }

    /// Runs `operation` compiled for the chosen path.
    pub(crate) fn run<O: Operation>(self, operation: O) -> O::Output {
        match self.path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Kernels` of this path exists only where `runs_here` found its features.
            Path::Avx512 => unsafe { Avx512::run(operation) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx2 => unsafe { Avx2::run(operation) },
            _ => operation.run(Portable),
        }
    }
}

impl Path {
    /// Whether this processor has the instructions of the path.
    fn runs_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        })
    }
}
