//! Whom the fakes know, and how their numbers are typed there.

/// One person has it, typed as people type.
pub const SINGLE: &str = "+905321234567";

/// Two people have it.
pub const SHARED: &str = "+905331112233";

/// Every service finds somebody by it whose number is another one, as a search does that looks into too much.
pub const FOUND_WRONGLY: &str = "+905439998877";

/// Nobody has it.
pub const NOBODY: &str = "+905340000000";

/// What no log may hold.
pub const NAMES: [&str; 5] = ["Jane Canary", "John Canary", "Ayla Canary", "Somebody Canary", "Acme Canary"];

/// In the order in which they must be shown.
pub const SHARERS: [&str; 2] = ["Ayla Canary", "John Canary"];

/// Somebody of whom a service keeps something.
pub struct Person {
    pub id: u64,
    pub first_name: &'static str,
    pub phone: &'static str,
    /// A further text by which a search finds the person, such as a note.
    pub note: &'static str,
    pub since: &'static str,
}

impl Person {
    pub fn name(&self) -> String {
        format!("{} Canary", self.first_name)
    }
}

const PEOPLE: [Person; 4] = [
    Person { id: 1512, first_name: "John", phone: SHARED, note: "", since: "2026-01-05T09:00:00Z" },
    Person { id: 77, first_name: "Ayla", phone: "05331112233", note: "", since: "2024-06-01T09:00:00Z" },
    Person { id: 512, first_name: "Jane", phone: "0532 123 45 67", note: "", since: "2025-03-02T09:00:00Z" },
    Person {
        id: 9,
        first_name: "Somebody",
        phone: "0212 555 02 02",
        note: FOUND_WRONGLY,
        since: "2020-01-01T09:00:00Z",
    },
];

/// Who has one of these texts.
pub fn with(texts: &[String]) -> Vec<Person> {
    found(|text| texts.iter().any(|sought| sought == text))
}

/// Whose texts are sought.
pub fn found(is_sought: impl Fn(&str) -> bool) -> Vec<Person> {
    PEOPLE.into_iter().filter(|person| is_sought(person.phone) || is_sought(person.note)).collect()
}
