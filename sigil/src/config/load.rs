//! Layers: defaults, the user's file, the project's file, variables, flags; and every problem of the whole at once.

mod values;

use super::variables::{self, Meaning};
use super::{Anchors, Log, Role, Settings, Witnesses, check, schema};
use crate::exit::{Exit, Failure};
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use figment::value::Dict;
use std::fmt;
use std::path::{Path, PathBuf};
use values::{One, typed};

/// The project's file, in the working directory.
const PROJECT_FILE: &str = "sigil.toml";

/// What the caller of [`load`] knows.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The project's file by name, which must exist then; `None` for `./sigil.toml`, which need not.
    pub file: Option<PathBuf>,
    /// The user's file, which need not exist.
    pub user_file: Option<PathBuf>,
    /// Variables of the environment.
    pub variables: Vec<(String, String)>,
    /// What flags set: the flag, the key, the text.
    pub flags: Vec<(String, String, String)>,
}

impl Given {
    /// The environment of this process, with these flags. `file` wins over `SIGIL_CONFIG`.
    pub fn here(file: Option<PathBuf>, flags: Vec<(String, String, String)>) -> Self {
        let home = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
        Self {
            file: file.or_else(|| std::env::var_os("SIGIL_CONFIG").map(PathBuf::from)),
            user_file: home.map(|dir| dir.join("sigil").join(PROJECT_FILE)),
            variables: std::env::vars_os()
                .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
                .filter(|(name, _)| name.starts_with("SIGIL_"))
                .collect(),
            flags,
        }
    }
}

/// One thing that is wrong, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, or the name of a variable or file.
    pub key: String,
    /// Where the value comes from, when it comes from anywhere.
    pub source: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)?;
        self.source
            .as_ref()
            .map_or(Ok(()), |source| write!(f, " (from {source})"))
    }
}

/// A configuration without problems.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    /// Where they come from.
    pub(super) figment: Figment,
    /// What was ignored, for people.
    pub notes: Vec<String>,
}

/// Reads every layer and checks the whole for `role`. Reads configuration files and nothing else.
///
/// # Errors
/// Everything that is wrong.
pub fn load(role: Role, given: &Given) -> Result<Loaded, Vec<Problem>> {
    let (loaded, mut problems) = read(given);
    check::run(role, &loaded.settings, &mut problems);
    finish(loaded, problems)
}

/// Reads every layer for somebody who asks a running process and needs an address only: what a role needs beyond it may be
/// given to the process alone.
///
/// # Errors
/// What cannot be read.
pub fn peek(given: &Given) -> Result<Loaded, Vec<Problem>> {
    let (loaded, problems) = read(given);
    finish(loaded, problems)
}

/// The sections `log`, `anchors` and `witnesses` of the configuration files of this process, for commands on a data
/// directory, which name it and its keys themselves. How often checkpoints are signed, and under which policy, may also be
/// variables.
///
/// # Errors
/// What cannot be read.
pub fn of_files() -> Result<(Log, Anchors, Witnesses), Vec<Problem>> {
    let here = Given::here(None, Vec::new());
    let variables = here.variables.iter();
    let known = ["SIGIL_LOG__CHECKPOINT_INTERVAL_MS", "SIGIL_WITNESSES__POLICY_FILE"];
    let known = variables.filter(|(name, _)| known.contains(&name.as_str()));
    let given = Given {
        variables: known.cloned().collect(),
        ..here
    };
    let settings = peek(&given)?.settings;
    Ok((settings.log, settings.anchors, settings.witnesses))
}

fn finish(loaded: Loaded, mut problems: Vec<Problem>) -> Result<Loaded, Vec<Problem>> {
    problems
        .iter_mut()
        .for_each(|problem| name_source(problem, &loaded.figment));
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// Every layer, and what is wrong with their form.
fn read(given: &Given) -> (Loaded, Vec<Problem>) {
    let schema = schema();
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
    for (path, must) in files(given) {
        match layer(&path) {
            Some(Ok(layer)) => figment = figment.merge(layer),
            Some(Err(problem)) => problems.push(problem),
            None if must => problems.push(problem_of(&path, "there is no such file")),
            None => {}
        }
    }
    for (name, text) in &given.variables {
        match variables::meaning(&schema, name, text) {
            Meaning::Sets(path, value) => figment = figment.merge(One::new(format!("variable {name}"), &path, value)),
            Meaning::Unknown => problems.push(Problem {
                key: name.clone(),
                source: None,
                message: "no key of the configuration has this name".to_owned(),
            }),
            Meaning::Foreign => notes.push(format!("the variable {name} is not one that is read")),
            Meaning::Apart => {}
        }
    }
    for (flag, key, text) in &given.flags {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        match schema::at(&schema, &keys) {
            Some(leaf) if leaf.get("properties").is_none() => {
                figment = figment.merge(One::new(format!("flag {flag}"), &path, variables::typed(leaf, text)));
            }
            _ => problems.push(Problem {
                key: key.clone(),
                source: Some(format!("flag {flag}")),
                message: "there is no such key".to_owned(),
            }),
        }
    }
    let settings = typed(&figment, &schema, &mut problems);
    let loaded = Loaded {
        settings,
        figment,
        notes,
    };
    (loaded, problems)
}

/// The files, and whether each must exist.
fn files(given: &Given) -> Vec<(PathBuf, bool)> {
    let user = given.user_file.iter().map(|path| (path.clone(), false));
    let project = given
        .file
        .clone()
        .map_or_else(|| (PROJECT_FILE.into(), false), |path| (path, true));
    user.chain([project]).collect()
}

/// One file; `None` when it does not exist.
fn layer(path: &Path) -> Option<Result<Figment, Problem>> {
    if !path.exists() {
        return None;
    }
    let figment = Figment::from(Toml::file_exact(path));
    // A file that cannot be read or parsed says so here, and must not hide the problems of the others.
    Some(match figment.extract::<Dict>() {
        Ok(_) => Ok(figment),
        Err(error) => Err(problem_of(path, &error.to_string())),
    })
}

fn problem_of(path: &Path, message: &str) -> Problem {
    Problem {
        key: path.display().to_string(),
        source: None,
        message: message.to_owned(),
    }
}

fn name_source(problem: &mut Problem, figment: &Figment) {
    if problem.source.is_none() {
        problem.source = source_of(figment, &problem.key);
    }
}

/// Where the value of a key comes from; `None` for a default.
pub(super) fn source_of(figment: &Figment, key: &str) -> Option<String> {
    let metadata = figment.find_metadata(key)?;
    match (&metadata.source, metadata.name.as_ref()) {
        (Some(figment::Source::File(path)), _) => Some(path.display().to_string()),
        (_, name) if name.starts_with("variable ") || name.starts_with("flag ") => Some(name.to_owned()),
        _ => None,
    }
}

impl From<Vec<Problem>> for Failure {
    /// Every problem, one a line.
    fn from(problems: Vec<Problem>) -> Self {
        let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        let count = lines.len();
        let message = format!("CONFIG_INVALID, {count} problem(s):{}", lines.concat());
        Self::new(Exit::Usage, message)
    }
}
