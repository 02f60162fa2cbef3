//! Licences of every dependency, build and test dependencies of all platforms included.

use anyhow::{Context, Result, bail};
use spdx::{Expression, LicenseReq, ParseMode};

use crate::workspace::{Metadata, Package};

/// Licences that allow use under `MIT OR Apache-2.0` with no more than naming the authors.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages with another licence that was looked at: the name, its expression, and why it is fine here.
const LOOKED_AT: &[(&str, &str, &str)] = &[(
    "webpki-roots",
    "CDLA-Permissive-2.0",
    "a list of root certificates; the licence asks that its text goes along with the data, and nothing of results",
)];

/// Fails on every package whose licence is missing, unreadable or not allowed, naming all of them.
pub(crate) fn check(metadata: &Metadata) -> Result<()> {
    let problems: Vec<String> = metadata
        .packages
        .iter()
        .filter_map(|package| problem(package).err())
        .map(|error| format!("{error:#}"))
        .collect();
    if !problems.is_empty() {
        bail!("{}\nallowed licences are listed in xtask/src/check/licences.rs", problems.join("\n"));
    }
    eprintln!("{} packages, all licences allowed", metadata.packages.len());
    Ok(())
}

fn problem(package: &Package) -> Result<()> {
    let Package { name, version, .. } = package;
    let Some(expression) = package.license.as_deref() else {
        let file = package.license_file.as_deref().unwrap_or("no licence file either");
        bail!("{name} {version} states no licence expression ({file})");
    };
    if LOOKED_AT.iter().any(|(known, text, _)| known == name && *text == expression) {
        return Ok(());
    }
    if !allows(expression)
        .with_context(|| format!("{name} {version}: licence {expression:?} cannot be read"))?
    {
        bail!("{name} {version}: licence {expression} is not allowed");
    }
    Ok(())
}

/// Whether the allowed licences satisfy `expression`. `MIT/Apache-2.0`, the old way to write *or*, is understood.
fn allows(expression: &str) -> Result<bool> {
    let parsed = Expression::parse_mode(expression, ParseMode::LAX)?;
    Ok(parsed.evaluate(|required: &LicenseReq| ALLOWED.contains(&required.to_string().as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        expression: &'static str,
        allowed: bool,
    }

    #[test]
    fn expressions_are_evaluated_not_compared() {
        let cases = [
            Case { expression: "MIT", allowed: true },
            Case { expression: "MIT/Apache-2.0", allowed: true },
            Case { expression: "MIT OR GPL-3.0-only", allowed: true },
            Case { expression: "MIT AND GPL-3.0-only", allowed: false },
            Case { expression: "(MIT OR Apache-2.0) AND Unicode-3.0", allowed: true },
            Case { expression: "Apache-2.0 WITH LLVM-exception OR MIT", allowed: true },
            Case { expression: "AGPL-3.0-only", allowed: false },
            Case { expression: "LGPL-2.1-or-later", allowed: false },
        ];
        let failures: Vec<&str> = cases
            .iter()
            .filter(|case| allows(case.expression).ok() != Some(case.allowed))
            .map(|case| case.expression)
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
    }

    #[test]
    fn refuses_words_that_are_no_licence() {
        assert!(allows("see the file").is_err());
    }
}
