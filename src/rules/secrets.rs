//! `${NAME}`, `${NAME:-default}` and `${file:PATH}` in the values of sources and accounts.
//!
//! Expanded after the YAML is parsed, so nothing in a secret can change the structure of a file. A `$` that is not
//! followed by `{` stays what it is. Messages name the variable, never its value.

use crate::problem::Problem;

/// Where secrets come from.
#[derive(Clone, Copy)]
pub enum Secrets<'a> {
    /// Nothing is looked up; a stand-in takes the place of every secret. For `check`, `test` and `explain --records`.
    Unset,
    /// From environment variables and mounted files.
    From(&'a (dyn Fn(&str) -> Option<String> + Sync)),
}

/// Shorter values are words such as `TR`, which a message may have of its own.
const HIDDEN_CHARACTERS_MIN: usize = 4;

/// A mounted secret is a line, not a file of any size.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

impl Secrets<'_> {
    /// Expands a text. `unset` is the stand-in for what is not looked up.
    ///
    /// # Errors
    /// Which variable or file is missing, or that a `${` is not closed.
    pub fn expand(&self, text: &str, unset: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').ok_or("a `${` has no `}`")?;
            expanded.push_str(before);
            expanded.push_str(&self.value(name, unset)?);
            rest = behind;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// Puts `${NAME}` back where a problem quotes what it stands for: whatever is wrong with a value, it is not told.
    pub(super) fn hide<'a>(&self, texts: impl Iterator<Item = &'a str>, problems: &mut [Problem]) {
        if matches!(self, Secrets::Unset) || problems.is_empty() {
            return;
        }
        let names = texts.flat_map(|text| text.split("${").skip(1)).filter_map(|after| Some(after.split_once('}')?.0));
        let known = names.filter_map(|name| Some((self.value(name, "").ok()?, format!("${{{name}}}"))));
        let mut known: Vec<(String, String)> =
            known.filter(|(value, _)| value.chars().count() >= HIDDEN_CHARACTERS_MIN).collect();
        // A value may be part of a longer one.
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        for (value, name) in &known {
            for problem in &mut *problems {
                let replacement = problem.fix.as_mut().map(|fix| &mut fix.replacement);
                for text in [Some(&mut problem.message), problem.help.as_mut(), replacement].into_iter().flatten() {
                    *text = text.replace(value, name);
                }
            }
        }
    }

    fn value(&self, name: &str, unset: &str) -> Result<String, String> {
        let Secrets::From(variable) = self else { return Ok(unset.to_owned()) };
        if let Some(path) = name.strip_prefix("file:") {
            return read(path);
        }
        let (name, default) = match name.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (name, None),
        };
        variable(name)
            .filter(|value| !value.is_empty())
            .or_else(|| default.map(str::to_owned))
            .ok_or_else(|| format!("the environment variable `{name}` is not set"))
    }
}

fn read(path: &str) -> Result<String, String> {
    let problem = |error: std::io::Error| format!("the secret file `{path}` can't be read: {error}");
    if std::fs::metadata(path).map_err(problem)?.len() > SECRET_BYTES_MAX {
        return Err(format!("the secret file `{path}` has more than {SECRET_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(problem)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("se$cret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn a_variable_takes_the_place_of_its_name_and_a_dollar_stays() {
        let secrets = Secrets::From(&variable);
        assert_eq!(secrets.expand("a ${TOKEN} b$c", "").unwrap(), "a se$cret b$c");
        assert_eq!(secrets.expand("${NONE:-x:-y}${EMPTY:-z}", "").unwrap(), "x:-yz");
        assert_eq!(secrets.expand("${NONE}", "").unwrap_err(), "the environment variable `NONE` is not set");
        assert!(secrets.expand("${TOKEN", "").is_err());
    }

    #[test]
    fn a_mounted_file_loses_its_last_line_break_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, " a\nb \n").unwrap();
        let text = format!("${{file:{}}}", path.display());
        assert_eq!(Secrets::From(&variable).expand(&text, "").unwrap(), " a\nb ");
        assert!(Secrets::From(&variable).expand("${file:/nowhere/at/all}", "").is_err());
    }

    #[test]
    fn without_an_environment_a_stand_in_is_used() {
        assert_eq!(
            Secrets::Unset.expand("${CRM_URL}/v1", "https://unset.invalid").unwrap(),
            "https://unset.invalid/v1"
        );
    }
}
