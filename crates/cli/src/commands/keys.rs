//! `loquat keys`: API keys of a server.

use loquat_serve::{Grant, KeyFile, Scope};

use crate::arguments::{KeyScope, KeysCommand};
use crate::failure::Failure;
use crate::output;

/// Makes a key and prints it; nothing holds it afterwards.
pub(crate) fn run(command: &KeysCommand) -> Result<u8, Failure> {
    let KeysCommand::New(new) = command;
    let grant = Grant {
        name: new.name.clone(),
        models: new.models.clone(),
        rate: new.rate,
        scopes: new.scopes.iter().map(scope).collect(),
    };
    let key = KeyFile::add(&new.keys, grant)?;
    output::say(&format!("key {} added to {}; it is shown this once", new.name, new.keys.display()));
    output::answer(&format!("{key}\n"))?;
    Ok(0)
}

fn scope(scope: &KeyScope) -> Scope {
    match scope {
        KeyScope::Predict => Scope::Predict,
        KeyScope::Admin => Scope::Admin,
    }
}
