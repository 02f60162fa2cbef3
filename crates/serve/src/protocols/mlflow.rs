//! MLflow's scoring server: `/invocations`, `/ping`, `/version`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use loquat_spec::ErrorCode;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::body::{self, Members, wrong_type};
use crate::choose::{CLASSIFICATION, Chosen, choose};
use crate::exchange::Exchange;
use crate::form::Form;
use crate::host::App;
use crate::problem::Problem;
use crate::protocols::tei;
use crate::render::{Predictions, bytes_response, json};

/// Asks for another protocol's answer where two share a path.
const PROTOCOL: &str = "x-loquat-protocol";
/// The members of which a body has one.
const SHAPES: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];
const CSV: &str = "text/csv";

/// Answers `GET /ping`: a line's end, as the original does.
pub(crate) async fn ping() -> Response<Body> {
    bytes_response(StatusCode::OK, b"\n".to_vec(), "application/json")
}

/// Answers `GET /version` with this server's own.
pub(crate) async fn version() -> Response<Body> {
    bytes_response(StatusCode::OK, env!("CARGO_PKG_VERSION").as_bytes().to_vec(), "text/html; charset=utf-8")
}

/// Answers `POST /invocations`.
pub(crate) async fn invocations(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = choose(&app.table(), request.headers(), &CLASSIFICATION)?;
    if request.headers().get(PROTOCOL).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"tei")) {
        let members = body::members(request, &app, &chosen.host, &exchange).await?;
        let answered = tei::answer(&chosen, members, &exchange).await;
        return Ok(answered.unwrap_or_else(|problem| problem.response(Form::Tei, exchange.id.as_str())));
    }
    let (inputs, field) = if is_csv(request.headers()) {
        let deadline = exchange.start + chosen.host.requests.timeout;
        let bytes = body::read(request, app.max_body, deadline).await?;
        (rows(csv_frame(body::utf8(&bytes)?)?, "body")?, "body".to_owned())
    } else {
        parse(body::members(request, &app, &chosen.host, &exchange).await?)?
    };
    let Chosen { host, pipeline } = chosen;
    let predictions = Ask::new(&host, &pipeline, &inputs, &field)?.predict(&exchange).await?;
    let capacity = 32 + predictions.len() * 96;
    Ok(json(StatusCode::OK, &Predictions { predictions }, capacity))
}

fn is_csv(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |media| media.as_bytes());
    let essence = media.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(CSV.as_bytes())
}

/// The inputs of a JSON body, and what they are called there.
fn parse(members: Members) -> Result<(Value, String), Problem> {
    let [split, records, instances, inputs, params] =
        members.take("", ["dataframe_split", "dataframe_records", "instances", "inputs", "params"])?;
    match params {
        None | Some(Value::Null) => {}
        Some(Value::Object(object)) if object.is_empty() => {}
        Some(other) => return Err(wrong_type("params", &other, "nothing: no parameter changes the answer")),
    }
    let given: Vec<(&str, Value)> = SHAPES
        .into_iter()
        .zip([split, records, instances, inputs])
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let count = given.len();
    let Ok([(name, value)]) = <[(&str, Value); 1]>::try_from(given) else {
        let detail = format!("{count} of the members that hold the inputs are given where one is expected");
        return Err(Problem::new(ErrorCode::Invalid, detail)
            .field("body")
            .remedy(format!("send one of {}", SHAPES.join(", "))));
    };
    let inputs = match name {
        "dataframe_split" => rows(frame(value)?, "dataframe_split.data")?,
        _ => columns_to_rows(value, name)?,
    };
    Ok((inputs, if name == "dataframe_split" { "dataframe_split.data".to_owned() } else { name.to_owned() }))
}

/// A list as it is; an object of columns, `{"text": ["a", …]}`, row by row.
fn columns_to_rows(value: Value, field: &str) -> Result<Value, Problem> {
    let object = match value {
        Value::Array(list) => return Ok(Value::Array(list.into_iter().map(unwrapped).collect())),
        Value::Object(object) if field == "inputs" => object,
        Value::String(text) if field == "inputs" => return Ok(json!([text])),
        other => return Err(wrong_type(field, &other, "a list")),
    };
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for (place, (name, column)) in object.into_iter().enumerate() {
        let path = body::join(field, &name.chars().take(40).collect::<String>());
        let Value::Array(column) = column else {
            return Err(wrong_type(&path, &column, "a list of strings"));
        };
        if place == 0 {
            rows.resize(column.len(), Map::new());
        }
        if column.len() != rows.len() {
            let detail = format!("{} values where the first column has {}", column.len(), rows.len());
            return Err(Problem::new(ErrorCode::Invalid, detail)
                .field(path)
                .remedy("send columns of one length"));
        }
        for (row, value) in rows.iter_mut().zip(column) {
            row.insert(name.clone(), value);
        }
    }
    Ok(Value::Array(rows.into_iter().map(|row| unwrapped(Value::Object(row))).collect()))
}

/// A row of one column is its value, whatever the column is called; so is a tensor's row of one value.
fn unwrapped(row: Value) -> Value {
    match row {
        Value::Object(object) if object.len() == 1 => {
            object.into_iter().next().map_or(Value::Null, |(_, value)| value)
        }
        Value::Array(mut list) if list.len() == 1 => list.remove(0),
        other => other,
    }
}

/// Columns and rows.
type Frame = (Vec<String>, Vec<Vec<Value>>);

/// A table as `text/csv`: columns from the first line, rows from the rest.
fn csv_frame(text: &str) -> Result<Frame, Problem> {
    let broken = |error: csv::Error| {
        Problem::malformed(format!("the body is not CSV: {error}")).field("body").remedy(
            "send a line with the column's name, then one line a text, cells quoted where they hold a comma",
        )
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let columns = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        rows.push(record.map_err(broken)?.iter().map(Value::from).collect());
    }
    Ok((columns, rows))
}

fn frame(value: Value) -> Result<Frame, Problem> {
    let Value::Object(object) = value else { return Err(wrong_type("dataframe_split", &value, "an object")) };
    let [columns, data, _index] =
        Members::of(object).take("dataframe_split", ["columns", "data", "index"])?;
    let columns = match columns {
        None | Some(Value::Null) => vec!["text".to_owned()],
        Some(Value::Array(list)) => {
            let name = |(place, name): (usize, Value)| match name {
                Value::String(name) => Ok(name),
                Value::Number(number) => Ok(number.to_string()),
                other => Err(wrong_type(&format!("dataframe_split.columns[{place}]"), &other, "a string")),
            };
            list.into_iter().enumerate().map(name).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(wrong_type("dataframe_split.columns", &other, "a list of names")),
    };
    let data = match data {
        Some(Value::Array(list)) => list,
        other => {
            let found = other.unwrap_or(Value::Null);
            return Err(wrong_type("dataframe_split.data", &found, "a list of rows"));
        }
    };
    let row = |(place, row): (usize, Value)| match row {
        Value::Array(cells) => Ok(cells),
        other => Err(wrong_type(&format!("dataframe_split.data[{place}]"), &other, "a list of cells")),
    };
    Ok((columns, data.into_iter().enumerate().map(row).collect::<Result<_, _>>()?))
}

/// One input a row: the value of the only column, else an object with the columns.
fn rows((columns, data): Frame, field: &str) -> Result<Value, Problem> {
    let mut rows = Vec::with_capacity(data.len());
    for (place, cells) in data.into_iter().enumerate() {
        if cells.len() != columns.len() {
            let detail = format!("{} cells where the frame has {} columns", cells.len(), columns.len());
            return Err(Problem::new(ErrorCode::Invalid, detail)
                .field(format!("{field}[{place}]"))
                .remedy("send one cell a column"));
        }
        let row: Map<String, Value> = columns.iter().cloned().zip(cells).collect();
        rows.push(unwrapped(Value::Object(row)));
    }
    Ok(Value::Array(rows))
}
