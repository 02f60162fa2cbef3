//! Enforces the table of crates on what `cargo metadata` says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::check::allowed_edges::{ANY, CRATES, HOMES, LONGEST_CHAIN, OPTIONAL_EDGES};
use crate::workspace::{Dependency, Metadata, Package, short_name};

/// One normal or build dependency of an own crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    optional: bool,
}

/// Fails on every edge, heavy dependency or chain that the table does not allow, naming all of them.
pub(crate) fn check(metadata: &Metadata) -> Result<()> {
    let own = metadata.own();
    let names: BTreeSet<&str> = own.keys().copied().collect();
    let edges = edges(&own);
    let problems = problems(&names, &edges);
    if !problems.is_empty() {
        bail!("{}\nallowed edges are listed in xtask/src/check/allowed_edges.rs", problems.join("\n"));
    }
    Ok(())
}

fn edges<'a>(own: &BTreeMap<&'a str, &'a Package>) -> Vec<Edge<'a>> {
    let binding = |dependency: &&Dependency| dependency.kind.as_deref() != Some("dev");
    let mut edges: Vec<Edge<'a>> = Vec::new();
    for (from, package) in own {
        for dependency in package.dependencies.iter().filter(binding) {
            edges.push(Edge { from, to: short_name(&dependency.name), optional: dependency.optional });
        }
    }
    edges
}

fn problems(own: &BTreeSet<&str>, edges: &[Edge<'_>]) -> Vec<String> {
    let mut problems = Vec::new();
    for name in own {
        if !CRATES.iter().any(|known| known.name == *name) {
            problems.push(format!("crate {name} is not in the table of crates"));
        }
    }
    for edge in edges {
        if own.contains(edge.to) && !edge_allowed(edge) {
            problems.push(format!("crate {} must not depend on {}", edge.from, edge.to));
        }
        if !home_allowed(edge) {
            problems
                .push(format!("crate {} must not depend on {}, whose home is elsewhere", edge.from, edge.to));
        }
    }
    let chain = longest_chain(own, edges);
    if chain.len() > LONGEST_CHAIN {
        problems.push(format!(
            "chain of {} own crates, at most {LONGEST_CHAIN}: {}",
            chain.len(),
            chain.join(" > ")
        ));
    }
    problems
}

fn edge_allowed(edge: &Edge<'_>) -> bool {
    let reachable = reachable(edge.from);
    if reachable.contains(ANY) || reachable.contains(edge.to) {
        return true;
    }
    edge.optional && OPTIONAL_EDGES.contains(&(edge.from, edge.to))
}

/// What `name` may use: its row of the table and the rows of what stands there.
fn reachable(name: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        let row = CRATES.iter().find(|known| known.name == next);
        for target in row.map_or(&[][..], |row| row.may_use) {
            if found.insert(*target) {
                open.push(target);
            }
        }
    }
    found
}

fn home_allowed(edge: &Edge<'_>) -> bool {
    let Some(home) = HOMES.iter().find(|home| home.dependency == edge.to) else { return true };
    home.crates.contains(&edge.from) || (edge.optional && home.optional_in.contains(&edge.from))
}

/// The longest chain of own crates; cargo forbids cycles, so the walk ends.
fn longest_chain<'a>(own: &BTreeSet<&'a str>, edges: &[Edge<'a>]) -> Vec<&'a str> {
    fn from<'a>(start: &'a str, own: &BTreeSet<&'a str>, edges: &[Edge<'a>]) -> Vec<&'a str> {
        let targets = edges.iter().filter(|edge| edge.from == start && own.contains(edge.to));
        let rest = targets.map(|edge| from(edge.to, own, edges)).max_by_key(Vec::len).unwrap_or_default();
        std::iter::once(start).chain(rest).collect()
    }
    own.iter().map(|start| from(start, own, edges)).max_by_key(Vec::len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        name: &'static str,
        edge: Edge<'static>,
        problems: usize,
    }

    fn edge(from: &'static str, to: &'static str) -> Edge<'static> {
        Edge { from, to, optional: false }
    }

    #[test]
    fn edges_follow_the_table() {
        let cases = [
            Case { name: "row of the table", edge: edge("serve", "infer"), problems: 0 },
            Case { name: "implied by a row", edge: edge("train", "text"), problems: 0 },
            Case { name: "any", edge: edge("cli", "serve"), problems: 0 },
            Case { name: "server uses training", edge: edge("serve", "train"), problems: 1 },
            Case { name: "models use the registry", edge: edge("models", "store"), problems: 1 },
            Case { name: "axum in serve", edge: edge("serve", "axum"), problems: 0 },
            Case { name: "axum elsewhere", edge: edge("infer", "axum"), problems: 1 },
            Case { name: "tokio in data", edge: edge("data", "tokio"), problems: 1 },
            Case { name: "nn in infer always", edge: edge("infer", "nn"), problems: 1 },
            Case {
                name: "nn in infer behind a feature",
                edge: Edge { from: "infer", to: "nn", optional: true },
                problems: 0,
            },
            Case { name: "burn outside of its home", edge: edge("nn", "burn-tensor"), problems: 1 },
            Case { name: "burn in its home always", edge: edge("gpu", "burn-tensor"), problems: 1 },
        ];
        let own: BTreeSet<&str> = CRATES.iter().map(|known| known.name).collect();
        let failures: Vec<&str> = cases
            .iter()
            .filter(|case| problems(&own, &[case.edge]).len() != case.problems)
            .map(|case| case.name)
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
    }

    #[test]
    fn refuses_a_crate_that_is_not_in_the_table() {
        assert_eq!(
            problems(&BTreeSet::from(["helpers"]), &[]),
            ["crate helpers is not in the table of crates"]
        );
    }

    #[test]
    fn longest_chain_counts_crates() {
        let own = BTreeSet::from(["cli", "serve", "infer", "spec"]);
        let edges =
            [edge("cli", "serve"), edge("cli", "spec"), edge("serve", "infer"), edge("infer", "spec")];
        assert_eq!(longest_chain(&own, &edges), ["cli", "serve", "infer", "spec"]);
    }
}
