//! `/tokenize` and `/decode` of text-embeddings-inference: what a model's tokenizer makes of a text, and back.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use loquat_spec::ErrorCode;
use loquat_text::{Tokenizer, TokenizerError};
use serde::Serialize;
use serde_json::Value;

use crate::ask::prompt_problem;
use crate::body::{self, wrong_type};
use crate::choose::{Chosen, choose_where, existing};
use crate::exchange::Exchange;
use crate::host::{App, Host, Table};
use crate::predict::{check_count, check_length};
use crate::problem::Problem;
use crate::protocols::embedding::{parse_prompt, texts};
use crate::protocols::tei::flag;
use crate::render::json;

/// A token as clients of text-embeddings-inference know it.
#[derive(Debug, Serialize)]
pub(crate) struct Token {
    /// Its id.
    pub(crate) id: u32,
    /// The characters that it stands for; of a special token its own name.
    pub(crate) text: String,
    /// Whether the tokenizer added it.
    pub(crate) special: bool,
    /// Where its characters begin and end in the text; none for special tokens.
    pub(crate) start: Option<u32>,
    /// See `start`.
    pub(crate) stop: Option<u32>,
}

/// Answers `POST /tokenize`: the tokens of each text.
pub(crate) async fn tokenize(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = chosen(&app.table(), request.headers())?;
    exchange.note.caller().may_ask(&chosen.host.name)?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    let [inputs, special, prompt] = members.take("", ["inputs", "add_special_tokens", "prompt_name"])?;
    let prompt = parse_prompt("prompt_name", prompt)?;
    let prompt = prompt_of(&chosen, prompt.as_deref())?;
    let special = flag("add_special_tokens", special, true)?;
    let inputs = match texts(inputs, "inputs")? {
        Value::Array(list) => list,
        single => vec![single],
    };
    check_count(&chosen.host, inputs.len(), "inputs")?;
    let tokenizer = tokenizer(&chosen)?;
    let mut all = Vec::with_capacity(inputs.len());
    for (place, text) in inputs.iter().filter_map(Value::as_str).enumerate() {
        check_length(&chosen.host, text, || format!("inputs[{place}]"))?;
        all.push(tokens(tokenizer, &format!("{prompt}{text}"), special)?);
    }
    Ok(json(StatusCode::OK, &all, 1024))
}

/// Answers `POST /decode`: the text of each list of ids.
pub(crate) async fn decode(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = chosen(&app.table(), request.headers())?;
    exchange.note.caller().may_ask(&chosen.host.name)?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    let [ids, skip] = members.take("", ["ids", "skip_special_tokens"])?;
    let skip = flag("skip_special_tokens", skip, true)?;
    let Some(Value::Array(ids)) = ids else {
        return Err(wrong_type("ids", &ids.unwrap_or(Value::Null), "a list of ids"));
    };
    let lists = if ids.first().is_some_and(Value::is_array) { ids } else { vec![Value::Array(ids)] };
    check_count(&chosen.host, lists.len(), "ids")?;
    let tokenizer = tokenizer(&chosen)?;
    let mut decoded = Vec::with_capacity(lists.len());
    for (place, list) in lists.iter().enumerate() {
        decoded.push(text_of(tokenizer, &numbers(list, place)?, skip)?);
    }
    Ok(json(StatusCode::OK, &decoded, 256))
}

/// The model that a request for tokens is for: one with a tokenizer.
pub(crate) fn chosen(table: &Table, headers: &HeaderMap) -> Result<Chosen, Problem> {
    let has_tokenizer =
        |host: &Host| host.pipeline.as_ref().is_some_and(|pipeline| pipeline.tokenizer().is_some());
    choose_where(table, headers, has_tokenizer, || no_tokenizer(table))
}

fn no_tokenizer(table: &Table) -> Problem {
    Problem::no_model("no loaded model has a tokenizer").remedy(existing(table))
}

/// The tokenizer of a model that was chosen for having one.
pub(crate) fn tokenizer(chosen: &Chosen) -> Result<&Tokenizer, Problem> {
    let name = &chosen.host.name;
    chosen.pipeline.tokenizer().ok_or_else(|| Problem::no_model(format!("endpoint {name} has no tokenizer")))
}

/// What stands before a text, as the embedding routes put it there.
pub(crate) fn prompt_of<'c>(chosen: &'c Chosen, name: Option<&str>) -> Result<&'c str, Problem> {
    chosen.pipeline.prompt(name).map_err(|error| prompt_problem(error, "prompt_name"))
}

/// The tokens of a text, whole however long it is.
pub(crate) fn tokens(tokenizer: &Tokenizer, text: &str, special: bool) -> Result<Vec<Token>, Problem> {
    let encoding = tokenizer.encode(text, None, None).map_err(|error| refused(&error))?;
    let characters: Vec<char> = text.chars().collect();
    let token = |place: usize| {
        let (id, (start, stop)) = (encoding.ids[place], encoding.offsets[place]);
        if encoding.words[place].is_none() {
            let text = tokenizer.token(id).unwrap_or_default();
            return Token { id, text, special: true, start: None, stop: None };
        }
        let own = characters.get(start as usize..stop as usize).unwrap_or_default();
        Token { id, text: own.iter().collect(), special: false, start: Some(start), stop: Some(stop) }
    };
    Ok((0..encoding.len()).map(token).filter(|token| special || !token.special).collect())
}

/// The text of ids, each of which the tokenizer must know.
pub(crate) fn text_of(tokenizer: &Tokenizer, ids: &[u32], skip: bool) -> Result<String, Problem> {
    if let Some(place) = ids.iter().position(|id| tokenizer.token(*id).is_none()) {
        let detail = format!("{} is no id of the tokenizer", ids[place]);
        return Err(Problem::new(ErrorCode::Invalid, detail)
            .field(format!("ids[{place}]"))
            .remedy("leave it out"));
    }
    tokenizer.decode(ids, skip).map_err(|error| refused(&error))
}

fn refused(error: &TokenizerError) -> Problem {
    Problem::new(error.code(), error.to_string())
}

/// One list of ids.
fn numbers(list: &Value, place: usize) -> Result<Vec<u32>, Problem> {
    let Value::Array(list) = list else {
        return Err(wrong_type(&format!("ids[{place}]"), list, "a list of ids, as the others are"));
    };
    let number = |(at, id): (usize, &Value)| {
        let number = id.as_u64().and_then(|id| u32::try_from(id).ok());
        number.ok_or_else(|| wrong_type(&format!("ids[{at}]"), id, "an id from 0"))
    };
    list.iter().enumerate().map(number).collect()
}
