//! A model of a hub: `hf://owner/name`, with `@revision` where not its main branch is meant.

use std::fmt;
use std::str::FromStr;

use crate::NameError;

const SCHEME: &str = "hf://";
const RULE: &str = "write hf://owner/name or hf://owner/name@revision, of letters, digits, '-', '_' and '.'";
const MAIN: &str = "main";

/// A model of a hub that speaks the Hugging Face protocol, at a branch, tag or commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HubReference {
    owner: String,
    name: String,
    revision: String,
}

impl HubReference {
    /// Whether `text` means a hub at all.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Who owns the model.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The model's name below its owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Branch, tag or commit; `main` where none is written.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether the revision is a commit, which never moves: 40 hexadecimal digits.
    pub fn is_commit(&self) -> bool {
        self.revision.len() == 40 && self.revision.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

impl FromStr for HubReference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError { found: text.to_owned(), what: "model of a hub", rule: RULE };
        let rest = text.strip_prefix(SCHEME).ok_or_else(wrong)?;
        let (path, revision) = rest.split_once('@').unwrap_or((rest, MAIN));
        let (owner, name) = path.split_once('/').ok_or_else(wrong)?;
        // A revision such as refs/pr/1 has parts; each follows the rule of a name.
        let parts = [owner, name].into_iter().chain(revision.split('/'));
        if !parts.into_iter().all(is_part) {
            return Err(wrong());
        }
        Ok(Self { owner: owner.to_owned(), name: name.to_owned(), revision: revision.to_owned() })
    }
}

impl fmt::Display for HubReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.owner, self.name)?;
        if self.revision == MAIN { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

pub(crate) fn is_part(part: &str) -> bool {
    (1..=96).contains(&part.len())
        && !part.starts_with('.')
        && !part.contains("..")
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
