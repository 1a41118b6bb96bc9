//! What conditions refer to by name: `lists`, `schedules`, and the values of a call.

use std::sync::Arc;

use super::{Compiler, Entry, call_names};
use crate::condition::{Lists, Schedules, doubts};
use crate::event::Region;
use crate::expression::Scope;
use crate::problem::{Code, Fault};
use crate::source::{File, Layout, Sheet};

/// The names that a `when` knows: it is asked before any source is.
#[derive(Debug)]
pub(in crate::rules) struct BeforeSources<'a> {
    pub(in crate::rules) sources: &'a [Arc<str>],
}

impl Scope for BeforeSources<'_> {
    fn fault(&self, name: &str, field: Option<&str>) -> Option<Fault> {
        if self.sources.iter().any(|source| **source == *name) {
            let message = format!("`{name}` is a source, and none has been asked when a `when` is looked at");
            let help = "what a source says is asked in `needs`, and in the `show` of a card's row";
            return Some(Fault::new(Code::TemplateName, "", message).help(help));
        }
        call_names().fault(name, field)
    }

    fn is_text(&self, name: &str, field: &str) -> bool {
        call_names().is_text(name, field)
    }
}

impl Compiler<'_> {
    pub(super) fn lists(&mut self, region: Region) -> Lists {
        let mut lists = Lists::new(region);
        for entry in self.entries("lists") {
            lists.add(entry.name, &serde_json::Value::Null);
        }
        for entry in self.usable("lists", |_| false) {
            let faults = match entry.node.key("csv") {
                Some(_) => self.list_of_a_column(&entry, region, &mut lists).unwrap_or_else(|faults| faults),
                None => {
                    let patterns = entry.node.to_json();
                    let mut faults = lists.add(entry.name, &patterns);
                    faults.extend(doubts(&patterns));
                    faults
                }
            };
            self.faults(entry.document, entry.node, faults);
        }
        lists
    }

    /// Adds the numbers in a column of a table; tells of rows that have none.
    fn list_of_a_column(&self, entry: &Entry<'_>, region: Region, lists: &mut Lists) -> Result<Vec<Fault>, Vec<Fault>> {
        let text = |key: &str| entry.node.child(key).and_then(|node| node.text()).unwrap_or_default();
        let expand = |text: &str, unset: &str| self.environment.secrets.expand(text, unset);
        let file = File::new(text("csv"), &self.reach(entry, region, &expand));
        let at_file = |fault: Fault| if fault.pointer.is_empty() { fault.under("/csv") } else { fault };
        let sheet = Sheet::read(&file, &Layout::of(&entry.node.to_json())?).map_err(|fault| vec![at_file(fault)])?;
        let column = sheet.column(text("column")).map_err(|fault| vec![fault.under("/column")])?;
        let unreadable = lists.add_cells(entry.name, sheet.cells(column));
        Ok(sheet.rows_without_number(&unreadable).map(at_file).into_iter().collect())
    }

    pub(super) fn schedules(&mut self, country: Region) -> Schedules {
        let mut schedules = Schedules::new(country);
        self.entries("schedules").iter().for_each(|entry| schedules.declare(entry.name));
        for entry in self.usable("schedules", Schedules::is_text) {
            let added = schedules.add(entry.name, entry.node.text().unwrap_or_default());
            self.faults(entry.document, entry.node, added.err().into_iter().collect());
        }
        schedules
    }
}
