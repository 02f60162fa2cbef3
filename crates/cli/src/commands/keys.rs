//! `loquat keys`: API keys of a server.

use loquat_serve::KeyFile;

use crate::arguments::KeysCommand;
use crate::failure::Failure;
use crate::output;

/// Makes a key and prints it; nothing holds it afterwards.
pub(crate) fn run(command: &KeysCommand) -> Result<u8, Failure> {
    let KeysCommand::New(new) = command;
    let key = KeyFile::add(&new.keys, &new.name, new.models.clone(), new.rate)?;
    output::say(&format!("key {} added to {}; it is shown this once", new.name, new.keys.display()));
    output::answer(&format!("{key}\n"))?;
    Ok(0)
}
