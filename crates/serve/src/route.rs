//! The kinds of route, as metrics and logs name them: a closed set.

use axum::http::Method;

/// A kind of route: its place in [`KINDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route(usize);

/// Name of each kind, and the exact paths that belong to it. Paths with parameters are told apart in [`Route::of`];
/// the last kind is everything else.
const KINDS: [(&str, &[&str]); 49] = [
    ("predict", &[]),
    ("v2-infer", &[]),
    ("v2-model", &[]),
    ("v2-model-ready", &[]),
    ("v2-model-config", &[]),
    ("v2-statistics", &["/v2/models/stats"]),
    ("v2-repository-load", &[]),
    ("v2-repository-unload", &[]),
    ("v1-predict", &[]),
    ("v1-model", &[]),
    ("grpc-infer", &["/inference.GRPCInferenceService/ModelInfer"]),
    ("grpc-tei-embed", &[]),
    ("grpc-tei-predict", &[]),
    ("grpc-tei-rerank", &[]),
    ("grpc-tei-tokenize", &[]),
    ("grpc-other", &[]),
    ("models", &["/models"]),
    ("health", &["/health"]),
    ("health-live", &["/health/live"]),
    ("health-ready", &["/health/ready"]),
    ("metrics", &["/metrics"]),
    ("openapi", &["/openapi.json"]),
    ("v2-server", &["/v2"]),
    ("v2-live", &["/v2/health/live"]),
    ("v2-ready", &["/v2/health/ready"]),
    ("v2-repository-index", &["/v2/repository/index"]),
    ("v1-models", &["/v1/models"]),
    ("openai-chat", &["/v1/chat/completions"]),
    ("openai-embeddings", &["/v1/embeddings", "/embeddings"]),
    ("tei-root", &["/"]),
    ("tei-predict", &["/predict"]),
    ("tei-embed", &["/embed"]),
    ("tei-embed-all", &["/embed_all"]),
    ("tei-embed-sparse", &["/embed_sparse"]),
    ("tei-rerank", &["/rerank"]),
    ("tei-similarity", &["/similarity"]),
    ("tei-tokenize", &["/tokenize"]),
    ("tei-decode", &["/decode"]),
    ("tei-info", &["/info"]),
    ("tei-vertex", &["/vertex"]),
    ("mlflow-invocations", &["/invocations"]),
    ("mlflow-ping", &["/ping", "/version"]),
    ("libretranslate-detect", &["/detect"]),
    ("libretranslate-languages", &["/languages"]),
    ("translate", &["/translate"]),
    ("classify", &["/classify", "/status"]),
    ("resources", &[]),
    ("why", &[]),
    ("other", &[]),
];

impl Route {
    /// How many there are.
    pub(crate) const COUNT: usize = KINDS.len();

    /// Every kind, by number.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Its number.
    pub(crate) fn number(self) -> usize {
        self.0
    }

    /// Its name in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        KINDS[self.0].0
    }

    /// The kind that a request belongs to.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        if let Some(exact) = KINDS.iter().position(|(_, paths)| paths.contains(&path)) {
            return Self(exact);
        }
        let name = match path.split_once('/').map(|(_, rest)| rest).unwrap_or_default() {
            rest if rest.starts_with("models/") && rest.ends_with("/predict") => "predict",
            rest if rest.starts_with("v2/models/") => v2(rest),
            rest if rest.starts_with("v2/repository/") && rest.ends_with("/unload") => "v2-repository-unload",
            rest if rest.starts_with("v2/repository/") && rest.ends_with("/load") => "v2-repository-load",
            rest if rest.starts_with("v1/models/") => {
                if method == Method::POST {
                    "v1-predict"
                } else {
                    "v1-model"
                }
            }
            rest if rest.starts_with("apis/loquat.dev/") => "resources",
            rest if rest.starts_with("why/") => "why",
            rest if rest.starts_with("tei.v1.Embed/") => "grpc-tei-embed",
            rest if rest.starts_with("tei.v1.Predict/") => "grpc-tei-predict",
            rest if rest.starts_with("tei.v1.Rerank/") => "grpc-tei-rerank",
            rest if rest.starts_with("tei.v1.Tokenize/") => "grpc-tei-tokenize",
            rest if rest.starts_with("inference.") || rest.starts_with("tei.") => "grpc-other",
            _ => "other",
        };
        Self(KINDS.iter().position(|(known, _)| *known == name).unwrap_or(Self::COUNT - 1))
    }
}

fn v2(rest: &str) -> &'static str {
    match rest.rsplit('/').next() {
        Some("infer") => "v2-infer",
        Some("ready") => "v2-model-ready",
        Some("config") => "v2-model-config",
        Some("stats") => "v2-statistics",
        _ => "v2-model",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_router_has_a_kind_of_its_own() {
        for (method, path) in crate::routes() {
            let filled = path.replace(['{', '}'], "");
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            assert_ne!(Route::of(&method, &filled).as_str(), "other", "{path}");
        }
    }

    #[test]
    fn names_differ_and_unknown_paths_are_other() {
        let names: std::collections::BTreeSet<&str> = Route::all().map(Route::as_str).collect();
        assert_eq!(names.len(), Route::COUNT);
        for path in ["/nothing", "", "*", "/v3/models/x", "/models/x/other"] {
            assert_eq!(Route::of(&Method::GET, path).as_str(), "other", "{path}");
        }
    }
}
