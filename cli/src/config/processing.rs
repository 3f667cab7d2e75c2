//! Settings of translation: which languages, and the user's own words.

use std::path::PathBuf;

use clap::Args;
use common::{settings::Layers, translation::Language};

/// What the settings file and the environment call them.
pub(super) const NAMES: [&str; 2] = ["languages", "glossary"];

/// Flags of `up` about translation.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct ProcessingFlags {
    /// Languages that labels are translated into, joined by commas; `none` for none [default: es,fr]
    #[arg(long, value_name = "TAGS")]
    languages: Option<String>,
    /// Your own translations, as TOML: `[es] "cup" = "tacita"`; they go before all others
    #[arg(long, value_name = "FILE")]
    glossary: Option<String>,
}

/// Into what labels are translated.
#[derive(Debug, Clone)]
pub(crate) struct Translating {
    pub(crate) languages: Vec<Language>,
    pub(crate) glossary: Option<PathBuf>,
}

impl Translating {
    pub(super) fn read(layers: &mut Layers<'_>, flags: &ProcessingFlags) -> Self {
        let path = |text: &str| Ok::<_, String>(PathBuf::from(text));
        Self {
            languages: languages(layers, flags.languages.as_deref()),
            glossary: layers.one("glossary", flags.glossary.as_deref(), path),
        }
    }
}

/// Spanish and French, which the embedded model's classes are known in, unless others are named or none.
fn languages(layers: &mut Layers<'_>, flag: Option<&str>) -> Vec<Language> {
    let flags: Vec<String> = flag.iter().flat_map(|tags| tags.split(',')).map(|tag| tag.trim().to_owned()).collect();
    let tag = |text: &str| {
        let parsed = if text == "none" { Ok(None) } else { text.parse::<Language>().map(Some) };
        parsed.map_err(|error| error.message().to_owned())
    };
    let named: Vec<Option<Language>> = layers.many("languages", &flags, tag);
    if named.is_empty() {
        return ["es", "fr"].iter().filter_map(|tag| tag.parse().ok()).collect();
    }
    named.into_iter().flatten().collect()
}
