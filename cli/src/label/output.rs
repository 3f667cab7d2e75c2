//! How `label` writes its results: row by row, whatever their number.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};

use clap::ValueEnum;
use common::{
    analysis::Analysis,
    error::{Result, internal},
};
use serde::Serialize;

/// How the results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Name and labels, fitted to the terminal
    #[default]
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Jsonl,
    /// One line for each label
    Csv,
}

/// A result with the name that its picture was given.
#[derive(Serialize)]
struct Row<'a> {
    input: &'a str,
    #[serde(flatten)]
    analysis: &'a Analysis,
}

/// Standard output in one of the formats.
pub(super) struct Output {
    format: Format,
    rows: usize,
    width: usize,
    out: BufWriter<Stdout>,
    /// True once the reader has gone away.
    pub(super) closed: bool,
}

impl Output {
    /// Begins the document.
    pub(super) fn begin(format: Format) -> Result<Self> {
        let terminal = terminal_size::terminal_size().filter(|_| io::stdout().is_terminal());
        let width = terminal.map_or(usize::MAX, |(width, _)| usize::from(width.0));
        let mut output = Self { format, rows: 0, width, out: BufWriter::new(io::stdout()), closed: false };
        output.write(|output| match format {
            Format::Json => output.out.write_all(b"["),
            Format::Csv => output.out.write_all(b"input,id,digest,mediaType,width,height,provider,model,label,score\n"),
            Format::Table | Format::Jsonl => Ok(()),
        })?;
        Ok(output)
    }

    /// Writes one result.
    pub(super) fn row(&mut self, input: &str, analysis: &Analysis) -> Result<()> {
        self.rows += 1;
        self.write(|output| match output.format {
            Format::Table => output.table_row(input, analysis),
            Format::Json => {
                output.out.write_all(if output.rows == 1 { b"\n" } else { b",\n" })?;
                output.json(input, analysis)
            }
            Format::Jsonl => {
                output.json(input, analysis)?;
                output.out.write_all(b"\n")
            }
            Format::Csv => output.csv_rows(input, analysis),
        })?;
        if self.rows.is_multiple_of(64) || self.format == Format::Table {
            self.write(|output| output.out.flush())?;
        }
        Ok(())
    }

    /// Ends the document.
    pub(super) fn end(&mut self) -> Result<()> {
        self.write(|output| {
            if output.format == Format::Json {
                output.out.write_all(if output.rows == 0 { b"]\n" } else { b"\n]\n" })?;
            }
            output.out.flush()
        })
    }

    /// A reader that goes away (`| head`) is no failure.
    fn write(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<()> {
        match write(self) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            written => written.map_err(internal),
        }
    }

    fn json(&mut self, input: &str, analysis: &Analysis) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &Row { input, analysis }).map_err(io::Error::from)
    }

    fn table_row(&mut self, input: &str, analysis: &Analysis) -> io::Result<()> {
        let name_width = (self.width / 3).clamp(12, 40);
        let labels: Vec<String> = analysis.findings.labels.iter().flatten().map(words).collect();
        let mut labels = if labels.is_empty() { "nothing found".to_owned() } else { labels.join(", ") };
        if !analysis.findings.unsupported.is_empty() {
            let names: Vec<_> = analysis.findings.unsupported.iter().map(|feature| feature.name()).collect();
            labels = format!("{labels} (cannot tell: {})", names.join(", "));
        }
        let labels = shortened(&labels, self.width.saturating_sub(name_width + 2));
        writeln!(self.out, "{:name_width$}  {labels}", ending(input, name_width))
    }

    fn csv_rows(&mut self, input: &str, analysis: &Analysis) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(&mut self.out);
        for label in analysis.findings.labels.iter().flatten() {
            writer.write_record([
                input,
                analysis.id.as_str(),
                &analysis.digest.to_string(),
                analysis.media_type.name(),
                &analysis.width.to_string(),
                &analysis.height.to_string(),
                &analysis.detector.provider,
                &analysis.detector.model,
                &label.description,
                &format!("{:.4}", label.score),
            ])?;
        }
        writer.flush()
    }
}

fn words(label: &common::analysis::Label) -> String {
    format!("{} {:.0}%", label.description, label.score * 100.0)
}

/// The last characters of a long name: the beginning is the same for all.
fn ending(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    format!("…{}", text.chars().skip(length - width + 1).collect::<String>())
}

/// The first characters of a long text.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(width.saturating_sub(1)).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_where_they_say_least() {
        assert_eq!(ending("/a/long/path/cat.jpg", 10), "…h/cat.jpg");
        assert_eq!(ending("cat.jpg", 10), "cat.jpg");
        assert_eq!(shortened("tiger cat, tabby", 10), "tiger cat…");
    }
}
