//! What must hold for any bytes given as a resource file; the fuzz target `resources` calls it too.

use loquat_spec::{Finding, Resources, SourceText, parse, to_yaml_endpoint};

const FILE: &str = "fuzzed.yaml";

/// Reads `bytes` as a resource file. Every finding has a place in it and a remedy, and an endpoint that was accepted is
/// accepted again as it would be written.
pub(crate) fn resources(bytes: &[u8]) {
    let source = match SourceText::from_bytes(FILE.into(), bytes.to_vec()) {
        Ok(source) => source,
        Err(finding) => return check(&finding, bytes),
    };
    match parse(&[source]) {
        Ok(resources) => check_endpoints(&resources),
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a reason");
            findings.iter().for_each(|finding| check(finding, bytes));
        }
    }
}

fn check(finding: &Finding, bytes: &[u8]) {
    // The end of the file may be named by the line after the last; YAML also breaks lines at a lone return.
    let most = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 2;
    assert!(finding.line.is_some_and(|line| (1..=most).contains(&line)), "{finding:?}");
    assert!(finding.column.is_none_or(|column| column >= 1), "{finding:?}");
    assert!(!finding.message.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
}

fn check_endpoints(resources: &Resources) {
    for endpoint in &resources.endpoints {
        let endpoint = &endpoint.value;
        let text = to_yaml_endpoint(&endpoint.name, &endpoint.model);
        let written = SourceText { path: FILE.into(), text };
        let again = parse(&[written]).expect("a written endpoint is valid");
        assert_eq!(again.endpoints[0].value.name, endpoint.name);
        assert_eq!(again.endpoints[0].value.model, endpoint.model);
    }
}
