//! What stands in the project's documents: blocks of code, commands, links. Tests take it from there, so that no
//! document shows what nobody has tried.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The word behind the fence; empty if there is none.
    pub language: String,
    /// What stands between the fences.
    pub text: String,
    /// The line of the first fence, counted from 1.
    pub line: usize,
}

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the tests lie in the project")
}

/// A document's text, by its path in the project.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The fenced blocks of a Markdown text, in their order.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { language: language.trim().to_owned(), text: String::new(), line: index + 1 });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end: {open:?}");
    blocks
}

/// What stands below this heading, up to the next one of its level; the lines before are there and empty, so that lines
/// keep their numbers.
pub fn section(text: &str, heading: &str) -> String {
    let level = heading.split(' ').next().unwrap_or_default();
    let mut is_within = false;
    let lines = text.lines().map(|line| {
        if line.starts_with(&format!("{level} ")) {
            is_within = line == heading;
        }
        if is_within { line } else { "" }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The commands of a shell block: lines that a backslash continues are joined, comments are left out.
pub fn commands(block: &Block) -> Vec<String> {
    let joined = block.text.replace("\\\n", " ");
    let without_comments = joined.lines().map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned());
    without_comments.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// What stands between single backticks outside of blocks.
pub fn code_spans(text: &str) -> Vec<String> {
    let prose = prose(text);
    let spans = prose.split('`').skip(1).step_by(2);
    spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The targets of all links outside of blocks.
pub fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

fn prose(text: &str) -> String {
    let mut is_block = false;
    let prose = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_block ^= is_fence;
        !is_block && !is_fence
    });
    prose.collect::<Vec<_>>().join("\n")
}
