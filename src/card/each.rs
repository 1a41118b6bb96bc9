//! `each`: a row that is shown once for each record.

use serde_json::{Map, Value};

use super::row::{look_up, value_path};
use super::{Names, helpers};
use crate::problem::{Code, Fault};

/// Rows that one `each` makes unless it says `at_most`: more do not fit on the screen.
const AT_MOST: usize = 3;

/// Where the records are, and what one of them is called in the row's templates.
#[derive(Clone, Debug)]
pub(super) struct Each {
    path: Vec<String>,
    name: String,
    at_most: usize,
}

impl Each {
    /// Reads `each`, `as` and `at_most` of a row, if it has them, and adds the record's name to those of the row.
    pub(super) fn compile(keys: &Map<String, Value>, names: &Names) -> Result<Option<(Each, Names)>, Vec<Fault>> {
        let (Some(path), Some(name)) =
            (keys.get("each").and_then(Value::as_str), keys.get("as").and_then(Value::as_str))
        else {
            return Ok(None);
        };
        let path = value_path(
            path,
            names,
            "`each` names a source or a list in its record, for example `invoices` or `crm.orders`",
        )
        .map_err(|fault| vec![fault.under("/each")])?;
        if names.contains(name) || helpers::is_helper(name) || name == "this" {
            let fault = Fault::new(Code::ReservedName, "/as", format!("`{name}` already stands for something else"));
            return Err(vec![fault.help("choose another name for one record")]);
        }
        let at_most = keys.get("at_most").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        let names = match path.as_slice() {
            [source] => names.clone().like(name, source),
            _ => names.clone().open(name),
        };
        Ok(Some((Each { path, name: name.to_owned(), at_most: at_most.unwrap_or(AT_MOST) }, names)))
    }

    /// The name that one record has in the templates of the row.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many rows it makes.
    pub(super) fn at_most(&self) -> usize {
        self.at_most
    }

    /// The name that the path to the records begins with.
    pub(super) fn first_name(&self) -> Option<&str> {
        self.path.first().map(String::as_str)
    }

    /// The records, as many as are shown.
    pub(super) fn records(&self, values: &Value) -> Vec<Value> {
        let found = look_up(values, &self.path);
        let list = found.get("all").unwrap_or(found);
        list.as_array().into_iter().flatten().take(self.at_most).cloned().collect()
    }
}
