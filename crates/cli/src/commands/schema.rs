//! `loquat schema`: the JSON Schema that an editor checks resource files with.

use crate::failure::Failure;
use crate::output;

/// Prints the schema of a kind, or one schema for files of any kind.
pub(crate) fn run(kind: Option<&str>) -> Result<u8, Failure> {
    let schema = match kind {
        None => loquat_spec::combined_schema(),
        Some(kind) if later(kind) => {
            return Err(Failure::not_yet_supported(
                &format!("kind {kind}"),
                &format!("there are {}", kinds()),
            ));
        }
        Some(kind) => {
            loquat_spec::schema(kind).ok_or_else(|| Failure::unknown("kind", kind, loquat_spec::KINDS))?
        }
    };
    output::answer(&output::json(&schema)?)?;
    Ok(0)
}

fn later(kind: &str) -> bool {
    loquat_spec::LATER_KINDS.iter().any(|later| later.eq_ignore_ascii_case(kind))
}

fn kinds() -> String {
    loquat_spec::KINDS.join(", ")
}
