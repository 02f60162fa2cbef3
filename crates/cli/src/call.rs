//! A call of the server, as a person would type it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(feature = "train")]
use loquat_spec::Task;
use serde_json::Value;
#[cfg(any(feature = "train", test))]
use serde_json::json;

/// A `curl` command line for a shell.
pub(crate) fn curl(address: SocketAddr, endpoint: &str, body: &Value) -> String {
    let body = body.to_string().replace('\'', "'\\''");
    format!(
        "curl -s http://{}/models/{endpoint}/predict -H 'content-type: application/json' -d '{body}'",
        reachable(address)
    )
}

/// A request that models for a task made elsewhere answer.
#[cfg(feature = "train")]
pub(crate) fn example(task: Task) -> Value {
    let text = "My card was charged twice for the same order.";
    match task {
        Task::TextPairClassification => {
            json!({ "inputs": { "premise": text, "hypothesis": "The customer paid once." } })
        }
        Task::ZeroShotClassification => {
            json!({ "inputs": text, "parameters": { "labels": ["payment", "delivery", "praise"] } })
        }
        Task::TokenClassification => json!({ "inputs": "Anna Berger moved from Vienna to Lisbon." }),
        _ => json!({ "inputs": text }),
    }
}

/// The address that a program of this machine connects to.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(host) if host.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    SocketAddr::new(host, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_survive_the_shell() {
        let address = SocketAddr::from(([0, 0, 0, 0], 8080));
        assert_eq!(
            curl(address, "tickets", &json!({ "inputs": "it's \"here\"" })),
            "curl -s http://127.0.0.1:8080/models/tickets/predict -H 'content-type: application/json' \
             -d '{\"inputs\":\"it'\\''s \\\"here\\\"\"}'"
        );
    }
}
