//! A model with fewer layers than another, from which a student of it starts.

use crate::checkpoint::Checkpoint;

/// What stands before the number of a layer in the name of a tensor.
const LAYER: &str = ".layer.";
/// Fields of `config.json` that count layers.
const COUNTS: [&str; 2] = ["num_hidden_layers", "n_layers"];

impl Checkpoint {
    /// Number of layers; `None` where the configuration does not say.
    pub fn layers(&self) -> Option<usize> {
        let count = COUNTS.iter().find_map(|field| self.config().get(*field)?.as_u64());
        count.map(|count| count as usize)
    }

    /// The model with the layers `kept` alone, in their order, which are counted from zero again.
    pub fn with_layers(&self, kept: &[usize]) -> Self {
        let mut config = self.config().clone();
        for field in COUNTS.iter().filter(|field| self.config().contains_key(**field)) {
            config.insert((*field).to_owned(), kept.len().into());
        }
        self.renamed(config, |name| {
            let Some((stack, (number, rest))) =
                name.split_once(LAYER).and_then(|(stack, rest)| Some((stack, rest.split_once('.')?)))
            else {
                return Some(name.to_owned());
            };
            let Ok(number) = number.parse::<usize>() else { return Some(name.to_owned()) };
            let place = kept.iter().position(|one| *one == number)?;
            Some(format!("{stack}{LAYER}{place}.{rest}"))
        })
    }
}
