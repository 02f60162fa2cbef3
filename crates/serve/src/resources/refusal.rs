//! Why a resource is not taken.

use loquat_spec::{ErrorCode, Finding};

use super::declared::BODY;
use super::item::Key;
use crate::problem::Problem;

/// All findings in one problem, which stands at the first.
pub(super) fn problem_of(findings: &[Finding]) -> Problem {
    let line = |finding: &Finding| {
        // Resources that are declared already have no lines that the caller could look at.
        let place = match finding.file.as_deref() {
            Some(other) if other != BODY => format!("{other}, which is declared already"),
            _ => finding.line.map(|line| format!("line {line}")).unwrap_or_default(),
        };
        let field = finding.field.as_deref().unwrap_or(BODY);
        format!("{place}, {field}: {} ({})", finding.message, finding.remedy)
    };
    let detail: Vec<String> = findings.iter().map(line).collect();
    let field = findings.first().and_then(|finding| finding.field.clone());
    Problem::new(ErrorCode::Invalid, detail.join("; "))
        .field(field.unwrap_or_else(|| BODY.to_owned()))
        .remedy("mend the resource; nothing was changed")
}

/// A name that another resource's versions have.
pub(super) fn taken(key: &Key, other: &Key) -> Problem {
    let detail = format!("{other} is declared already, and {key} would register versions of the same name");
    Problem::new(ErrorCode::Conflict, detail)
        .field("metadata.name")
        .remedy(format!("choose another name, or delete {other} first"))
}

/// A Dataset that another resource names.
pub(super) fn in_use(key: &Key, user: &Key) -> Problem {
    Problem::new(ErrorCode::Conflict, format!("{user} names {key}"))
        .field("name")
        .remedy(format!("delete {user} first"))
}
